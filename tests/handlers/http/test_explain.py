"""A schema failure is told as one sentence about one field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.errors import APIError
from handlers.http.spec import load_document
from handlers.http.validation import JSONBodies

ROLES = '"system", "developer", "user", "assistant", "tool", "function"'
USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.fixture(scope="module")
def strict_fault():
    """`strict_fault(body)`: the path and the sentence, by the strict document."""
    return telling(load_document(strict=True))


@pytest.fixture(scope="module")
def fault():
    """The same by the other document."""
    return telling(load_document())


def telling(document):
    schema = JSONBodies(document, lambda: 100, lambda: 100)._schemas["containerChatComplete"]

    def fault(body):
        with pytest.raises(APIError) as caught:
            schema.check(body)
        return caught.value.param, caught.value.message

    return fault


@pytest.mark.parametrize(
    ("messages", "param", "sentence"),
    [
        ([], "messages", "messages must have at least 1 item(s); got an array"),
        ([USER, {}], "messages.1.role", "messages.1.role is required"),
        ([{"role": "bot"}], "messages.0.role",
         f'messages.0.role must be one of {ROLES}; got "bot"'),
        ([{"role": "bot", "tool_calls": [{"id": "c", "type": "f", "function": {}}]}], "messages.0.role",
         f'messages.0.role must be one of {ROLES}; got "bot"'),
        ([{"role": "user"}], "messages.0.content", "messages.0.content is required"),
        ([USER, {"role": "user", "content": 5}], "messages.1.content",
         "messages.1.content must be a string or an array; got 5"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "file"}]}], "messages.0.content.1.type",
         ('messages.0.content.1.type must be one of "text", "audio_url", "image_url", '
          '"video_url", "input_audio"; got "file"')),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": "u"}]}], "messages.0.content.0.image_url",
         'messages.0.content.0.image_url must be an object; got "u"'),
        ([{"role": "system", "content": [{"type": "image_url"}]}], "messages.0.content.0.type",
         'messages.0.content.0.type must be "text"; got "image_url"'),
        ([{"role": "assistant", "content": [{"type": "file"}]}], "messages.0.content.0.type",
         'messages.0.content.0.type must be one of "text", "refusal"; got "file"'),
        ([{"role": "tool", "content": "a"}], "messages.0.tool_call_id", "messages.0.tool_call_id is required"),
        ("Hi", "messages", 'messages must be an array; got "Hi"'),
    ],
)  # fmt: skip
def test_a_fault_in_the_messages_is_found_inside_the_alternative_that_was_meant(fault, messages, param, sentence):
    assert fault({"messages": messages}) == (param, sentence)


@pytest.mark.parametrize(
    ("parameters", "param", "sentence"),
    [
        ({"top_p": 0}, "top_p", "top_p must be greater than 0; got 0"),
        ({"temperature": -0.5}, "temperature", "temperature must be at least 0; got -0.5"),
        ({"n": True}, "n", "n must be an integer or null; got true"),
        ({"n": 129}, "n", "n must be at most 128; got 129"),
        ({"stop": 5}, "stop", "stop must be a string, an array or null; got 5"),
        ({"stop": ""}, "stop", 'stop must not be ""; got ""'),
        ({"stop": [""]}, "stop.0", 'stop.0 must not be ""; got ""'),
        ({"max_tokens": 0}, "max_tokens", "max_tokens must not be 0; got 0"),
        ({"max_completion_tokens": -2}, "max_completion_tokens", "max_completion_tokens must be at least -1; got -2"),
        ({"seed": 2**64}, "seed", "seed must be at most 18446744073709551615; got 18446744073709551616"),
        ({"seed": "1"}, "seed", 'seed must be an array, an integer or null; got "1"'),
        ({"tool_choice": "any"}, "tool_choice", 'tool_choice must be one of "none", "auto", "required"; got "any"'),
        ({"tool_choice": {"type": "f"}}, "tool_choice.type",
         'tool_choice.type must be one of "function", "allowed_tools"; got "f"'),
        ({"logit_bias": {"x": 1}}, "logit_bias",
         'logit_bias has the key "x", which must match ^(0|[1-9][0-9]{0,9})$'),
        ({"logit_bias": {"1": 101}}, "logit_bias.1", "logit_bias.1 must be at most 100; got 101"),
        ({"response_format": {"type": "gbnf"}}, "response_format.type",
         'response_format.type must be one of "json_schema", "json_object", "regex", "text", "grammar"; got "gbnf"'),
        ({"tools": [TOOL, {**TOOL, "function": {"name": "a b", "parameters": {}}}]}, "tools.1.function.name",
         'tools.1.function.name must match ^[a-zA-Z0-9_./:-]{1,128}$; got "a b"'),
    ],
)  # fmt: skip
def test_a_fault_in_a_parameter_is_told_with_its_bound(fault, parameters, param, sentence):
    assert fault({"messages": [USER], **parameters}) == (param, sentence)


@pytest.mark.parametrize(
    ("parameters", "param", "sentence"),
    [
        ({"messages": [{"role": "developer", "content": "a"}]}, "messages.0.role",
         'messages.0.role must be one of "system", "user", "assistant", "tool"; got "developer"'),
        ({"messages": [{"role": "system", "content": [{"type": "text", "text": "a"}]}]}, "messages.0.content",
         "messages.0.content must be a string; got an array"),
        ({"stop": "."}, "stop", 'stop must be an array or null; got "."'),
        ({"stop": [""]}, "stop.0", 'stop.0 must have at least 1 character(s); got ""'),
        ({"stop": ["a"] * 17}, "stop", "stop must have at most 16 items; got an array"),
        ({"max_tokens": -1}, "max_tokens", "max_tokens must be at least 1; got -1"),
        ({"tool_choice": None}, "tool_choice", "tool_choice must be an object or a string; got null"),
        ({"reasoning_effort": "none"}, "reasoning_effort",
         'reasoning_effort must be one of "low", "medium", "high"; got "none"'),
        ({"tools": [{**TOOL, "function": {"name": "a.b", "parameters": {}}}]}, "tools.0.function.name",
         'tools.0.function.name must match ^[a-zA-Z0-9_-]{1,64}$; got "a.b"'),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools.0.function.parameters",
         "tools.0.function.parameters is required"),
        ({"tools": [TOOL] * 129}, "tools", "tools must have at most 128 items; got an array"),
    ],
)  # fmt: skip
def test_what_only_openais_api_has_is_a_fault_by_the_strict_document(strict_fault, fault, parameters, param, sentence):
    assert strict_fault({"messages": [USER], **parameters}) == (param, sentence)
    if param != "stop.0":
        with pytest.raises(pytest.fail.Exception):
            fault({"messages": [USER], **parameters})


@given(text=st.text(min_size=100, max_size=5000))
def test_long_values_are_cut(fault, text):
    _, sentence = fault({"messages": [USER], "n": text})
    assert len(sentence) < 120


def test_the_whole_body_has_no_path(fault):
    assert fault([1]) == (None, "the body must be an object; got an array")
