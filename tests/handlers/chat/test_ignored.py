"""Whatever has no effect is named in a header, and nothing else is."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.ignored import LONGEST_HEADER, MORE, encode

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "x": {"y": 1}}}}


def named(response):
    assert response.status_code == 200, response.text
    header = response.headers.get("x-ignored-parameters")
    return None if header is None else [unquote(name) for name in header.split(",")]


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({}, None),
        ({"user": "me"}, ["user"]),
        ({"user": None, "store": False}, ["user", "store"]),
        ({"messages": [USER, {**USER, "cache": 1}]}, ["messages.1.cache"]),
        ({"messages": [{**USER, "content": [{"type": "text", "text": "a", "x": 1}]}]}, ["messages.0.content.0.x"]),
        ({"stream": True, "stream_options": {"more": 1}}, ["stream_options.more"]),
        ({"tools": [{**TOOL, "x": 1, "function": {**TOOL["function"], "y": True, "strict": True}}]},
         ["tools.0.function.y", "tools.0.x"]),
        ({"tools": [TOOL]}, None),
        ({"chat_template_kwargs": {"anything": {"at": "all"}}}, ["chat_template_kwargs.anything"]),
        ({"messages": [{"role": "system", "content": [{"type": "text", "text": "a", "cache_control": {}}]}]},
         ["messages.0.content.0.cache_control"]),
        ({"functions": [{"name": "f", "x": 1}]}, ["functions.0.x"]),
        ({"logit_bias": {"3": 1}}, None),
        ({"response_format": {"type": "text", "x": 1}}, ["response_format.x"]),
        ({"response_format": {"type": "json_object", "schema": "{}"}}, ["response_format.schema"]),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"x": 1}, "y": 2}}},
         ["response_format.json_schema.y"]),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}, "name": "a", "strict": False}}},
         None),
    ],
)  # fmt: skip
def test_unknown_fields_are_named_by_path_and_free_form_objects_have_none(post, parameters, names):
    assert named(post(**parameters)) == names


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"parse_reasoning": True}, ["parse_reasoning"]),
        ({"parse_reasoning": True, "include_reasoning": False}, ["parse_reasoning", "include_reasoning"]),
        ({"parse_reasoning": False, "include_reasoning": False}, None),
        ({"reasoning_budget": 0}, ["reasoning_budget"]),
        ({"reasoning_budget": -1}, None),
        ({"reasoning_effort": "low"}, ["reasoning_effort"]),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}, "description": "a"}}},
         ["response_format.json_schema.description"]),
        ({"parallel_tool_calls": False, "tools": [TOOL]}, ["parallel_tool_calls"]),
        ({"parallel_tool_calls": False, "tools": [TOOL], "tool_choice": "none"}, ["tools"]),
        ({"tools": [TOOL], "tool_choice": "none"}, ["tools"]),
        ({"tools": [TOOL], "tool_choice": "auto"}, None),
        ({"functions": [TOOL["function"]], "function_call": "none"}, ["functions"]),
        ({"functions": [TOOL["function"]], "tool_choice": "none"}, ["tool_choice"]),
        ({"tools": [TOOL], "function_call": "none"}, ["function_call"]),
        ({"stream_options": {"include_usage": True}}, ["stream_options"]),
        ({"stream_options": {"include_usage": True}, "stream": True}, None),
        ({"top_k": -1}, ["top_k"]),
        ({"max_tokens": -1}, None),
        ({"stop": "."}, None),
        ({"tool_choice": None}, None),
        ({"parallel_tool_calls": False}, None),
        ({"parallel_tool_calls": True, "tools": [TOOL]}, None),
    ],
)  # fmt: skip
def test_known_parameters_are_named_where_they_would_change_the_answer(post, parameters, names):
    assert named(post(**parameters)) == names


def test_reasoning_effort_is_honoured_by_a_template_that_uses_it(fakes):
    tokenizer = fakes.Tokenizer(uses=["reasoning_effort"])
    with fakes.connected(tokenizer=tokenizer) as app:
        response = app.client.post("/v1/chat/completions", json={"messages": [USER], "reasoning_effort": "high"})
        other = {"messages": [USER], "reasoning_effort": "high", "chat_template_kwargs": {"reasoning_effort": "low"}}
        outdone = app.client.post("/v1/chat/completions", json=other)
    assert named(response) is None and tokenizer.calls[0].effort == "high"
    assert named(outdone) == ["reasoning_effort"]


TALK = [
    {"role": "system", "content": "Hi", "name": "s"},
    {**USER, "name": "u"},
    {"role": "assistant", "content": "Hi", "name": "a", "reasoning_content": "r", "reasoning": "r"},
    {**USER, "name": ""},
]
SHOWN = {
    "system.name": ["messages.0.name"],
    "user.name": ["messages.1.name"],
    "assistant.name": ["messages.2.name"],
    "assistant.reasoning_content": ["messages.2.reasoning_content", "messages.2.reasoning"],
    "function.description": ["tools.0.function.description"],
}


@pytest.mark.parametrize("shown", [[], *([field] for field in SHOWN), [*SHOWN]])
def test_texts_that_the_template_has_no_place_for_are_named(fakes, shown):
    tools = [{"type": "function", "function": {**TOOL["function"], "description": "d"}}]
    with fakes.connected(tokenizer=fakes.Tokenizer(uses=shown)) as app:
        response, untold = (
            app.client.post("/v1/chat/completions", json={"tools": tools, **more})
            for more in ({"messages": TALK}, {"messages": [USER], "tool_choice": "none"})
        )
    expected = [path for field, paths in SHOWN.items() if field not in shown for path in paths]
    assert sorted(named(response) or []) == sorted(expected) and named(untold) == ["tools"]


def test_of_two_reasonings_the_one_that_does_not_count_is_named(fakes):
    with fakes.connected(tokenizer=fakes.Tokenizer(uses=["assistant.reasoning_content"])) as app:
        messages = [{"role": "assistant", "content": "Hi", "reasoning_content": "a", "reasoning": "b"}, USER]
        response = app.client.post("/v1/chat/completions", json={"messages": messages})
    assert named(response) == ["messages.0.reasoning"]


@given(names=st.lists(st.text(min_size=1, max_size=300).filter(lambda name: name != MORE), min_size=1, max_size=40))
def test_the_header_is_short_plain_and_can_be_read_back(names):
    encoded = encode(names)
    assert encoded.isascii() and encoded.isprintable() and len(encoded) <= LONGEST_HEADER + len(MORE) + 1
    read = [unquote(name) for name in encoded.split(",")]
    assert read == names or (read[-1] == MORE and read[:-1] == names[: len(read) - 1])


@given(name=st.text(min_size=1))
def test_any_name_makes_a_header_that_can_be_sent(post, name):
    response = post(**{name: 1}) if name not in ("messages", "n") else post()
    assert response.status_code in (200, 422)
