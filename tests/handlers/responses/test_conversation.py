"""Items as messages of a chat: pictures that tools have shown, and where each part of a message stands."""

import pytest

from generated.models import ContainerResponsesBody, ImageContent
from handlers.http.errors import APIError
from handlers.responses.conversation import Conversation, Place

RED, BLUE = ({"type": "input_image", "image_url": f"data:image/png;base64,{name}"} for name in ("red", "blue"))
TEXT = {"type": "input_text", "text": "Seen."}
CALLS = [{"type": "function_call", "call_id": str(i), "name": "look", "arguments": "{}"} for i in (1, 2)]


def result(i, output, kind="function_call_output"):
    return {"type": kind, "call_id": str(i), "output": output}


def user(content):
    return {"type": "message", "role": "user", "content": content}


def said(role):
    return {"type": "message", "role": role, "content": "Well."}


def conversation(*items, exact=True):
    read = ContainerResponsesBody.model_validate({"input": list(items)}).input
    made = Conversation()
    made.add((Place(f"input.{i}" if exact else "previous_response_id", exact), item) for i, item in enumerate(read))
    return made


def shown(message):
    """What a message shows: its text, or its parts as texts and addresses."""
    content = message.content
    if content is None or isinstance(content, str):
        return content
    return [each.image_url.url.partition(",")[2] if isinstance(each, ImageContent) else each.text for each in content]


def roles(made):
    return [(message.role, shown(message)) for message in made.messages]


@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
@pytest.mark.parametrize(
    ("behind", "last"),
    [
        ([], [("user", ["red", "blue"])]),
        ([user("And?")], [("user", ["red", "blue", "And?"])]),
        ([user([TEXT, RED])], [("user", ["red", "blue", "Seen.", "red"])]),
        ([said("assistant"), user("And?")], [("user", ["red", "blue"]), ("assistant", "Well."), ("user", "And?")]),
        ([said("system")], [("user", ["red", "blue"]), ("system", "Well.")]),
        ([{"type": "web_search_call", "id": "1"}, user("And?")], [("user", ["red", "blue", "And?"])]),
    ],
)
def test_pictures_of_results_come_behind_all_results_in_the_users_message(kind, behind, last):
    made = conversation(*CALLS, result(1, [TEXT, RED], kind), result(2, [BLUE, TEXT, TEXT], kind), *behind)
    results = [("tool", "Seen."), ("tool", "Seen.Seen.")]
    assert roles(made) == [("assistant", None), *results, *last]


def test_each_part_is_told_by_where_it_stands():
    made = conversation(CALLS[0], result(1, [TEXT, RED]), user([TEXT, BLUE]))
    assert {path: told for path, told in made.paths.items() if path.startswith("messages.2")} == {
        "messages.2": "input.2",
        "messages.2.content": "input.2.content",
        "messages.2.content.0": "input.1.output.1",
        "messages.2.content.0.image_url.url": "input.1.output.1.image_url",
        "messages.2.content.1": "input.2.content.0",
        "messages.2.content.1.image_url.url": "input.2.content.0.image_url",
        "messages.2.content.2": "input.2.content.1",
        "messages.2.content.2.image_url.url": "input.2.content.1.image_url",
    }
    followed = conversation(CALLS[0], result(1, [RED]), exact=False)
    assert set(followed.paths.values()) == {"previous_response_id"}


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_nobody_else_shows_pictures(role):
    with pytest.raises(APIError) as raised:
        conversation(user("Hi"), {"type": "message", "role": role, "content": [TEXT, RED]})
    assert raised.value.status == 422 and raised.value.param == "input.1.content.1"
