"""The prompt of a chat without an answer: the one that the chat would have, and nothing is asked of the engine."""

import pytest

from generated.models import ContainerChatCompletionBody
from handlers.chat.render import OF_THE_PROMPT

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "weather"}}


def render(app, **parameters):
    return app.client.post("/v1/chat/render", json={"messages": [USER], **parameters})


@pytest.mark.parametrize(
    "parameters", [{}, {"tools": [TOOL]}, {"messages": [{"role": "system", "content": "x"}, USER]}]
)
def test_the_prompt_is_that_of_the_chat(app, parameters):
    before = len(app.engine.generations)
    response = render(app, **parameters)
    assert response.status_code == 200 and len(app.engine.generations) == before
    answer = response.json()
    app.client.post("/v1/chat/completions", json={"messages": [USER], **parameters})
    assert tuple(answer["tokens"]) == app.engine.generations[-1].request.prompt.tokens
    assert answer["text"] == bytes(answer["tokens"]).decode() == '"Hi"'


def test_what_says_nothing_of_the_prompt_is_named(app):
    unused = {
        "temperature": 0.5,
        "n": 2,
        "max_tokens": 3,
        "stream": True,
        "seed": 1,
        "response_format": {"type": "text"},
    }
    response = render(app, **unused, tools=[TOOL], other=1)
    assert response.status_code == 200 and set(response.headers["x-ignored-parameters"].split(",")) == {
        *unused,
        "other",
    }
    assert set(OF_THE_PROMPT) <= set(ContainerChatCompletionBody.model_fields)


def test_what_the_template_has_no_place_for_is_named_as_for_a_chat(app):
    parameters = {
        "messages": [{**USER, "name": "u"}, {"role": "assistant", "content": "x", "reasoning_content": "r"}, USER],
        "tools": [TOOL],
        "tool_choice": "none",
        "chat_template_kwargs": {"other": 1},
        "reasoning_effort": "high",
    }
    chat = app.client.post("/v1/chat/completions", json=parameters)
    named = set(chat.headers["x-ignored-parameters"].split(","))
    assert {"tools", "messages.0.name", "chat_template_kwargs.other", "reasoning_effort"} < named
    assert set(render(app, **parameters).headers["x-ignored-parameters"].split(",")) == named


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"messages": [{"role": "user", "content": "refuse"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": "x" * 2000}]}, "messages"),
        ({"n": 200}, "n"),
        ({"min_tokens": 4, "max_tokens": 3}, "min_tokens"),
    ],
)
def test_what_no_chat_may_say_is_refused(app, parameters, param):
    response = render(app, **parameters)
    assert response.status_code == 422 and response.json()["error"]["param"] == param
