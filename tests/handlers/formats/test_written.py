"""An answer whose beginning the prompt has already: the rest is read as if all of it had been written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.formats.segments import CallArguments, CallStart, Content, Reasoning
from handlers.formats.syntax import Format
from tests.handlers.formats.writing import format_of, merged, pieces_of

ANSWERS = {
    "hermes": "<think>\nHm, so.\n</think>\n\nIt is \n<tool_call>\n"
    '{"name": "get", "arguments": {"a": "b c"}}\n</tool_call>',
    "qwen3-coder": "Well <tool_call>\n<function=get>\n<parameter=a>\nb\n</parameter>\n</function>\n</tool_call> and",
    "llama3": '{"name": "get", "parameters": {"a": 1}}',
    "harmony": "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>It is so.",
}
TOOLS = {"get": {"type": "object", "properties": {"a": {}}}}


@pytest.mark.parametrize("family", ANSWERS)
@given(data=st.data())
def test_text_is_only_what_comes_behind_and_calls_are_whole(family, data):
    text, format = ANSWERS[family], format_of(family)
    at = data.draw(st.integers(0, len(text)))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=3))
    whole = [segment for some in pieces_of(format, text, tools=TOOLS)[0] for segment in some]
    fed, parser = pieces_of(format, text[at:], cuts, TOOLS, written=text[:at])
    found = [segment for some in fed for segment in some]
    expected = [clipped for segment in whole if (clipped := behind(segment, at)) is not None]
    assert merged(found) == merged(expected)
    spans = pieces_of(format, text, tools=TOOLS)[1].reasoning_spans
    assert parser.reasoning_spans == [(max(0, start - at), end - at) for start, end in spans if end >= at]
    assert all(0 <= segment.start <= segment.end for segment in found if isinstance(segment, Content | Reasoning))


def behind(segment, at):
    if isinstance(segment, CallStart | CallArguments):
        return segment
    text = segment.text[max(0, at - segment.start) :]
    return type(segment)(segment.start, segment.end, text) if text else None


def test_space_that_was_written_is_not_given_again():
    fed, _ = pieces_of(format_of("hermes"), "b", tools=TOOLS, written="a  \n ")
    assert [segment.text for some in fed for segment in some] == ["b"]


def test_reasoning_that_was_begun_goes_on():
    fed, parser = pieces_of(format_of("hermes"), "so</think>Yes", tools={}, written="<think>Hm, ")
    assert merged(segment for some in fed for segment in some) == [
        (Reasoning, "so", None, None),
        (Content, "Yes", None, None),
    ]
    assert parser.reasoning_spans[0][0] == 0


def test_a_format_without_anything_gives_the_rest():
    fed, _ = pieces_of(Format(), " cd", tools={}, written="ab")
    assert [segment.text for some in fed for segment in some] == [" cd"]
