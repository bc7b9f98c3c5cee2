"""The same answers, read by transformers' own parser from a description of each family that it takes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.utils.chat_parsing import ResponseParser

from tests.handlers.formats.writing import TOOLS, format_of, read, write_answer

TEMPLATES = json.loads((Path(__file__).parents[2] / "data/response_templates.json").read_text())
# These two need parsers of their own there.
FAMILIES = sorted(TEMPLATES.keys() - {"mistral", "lfm2"})
TOOL_LIST = [{"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in TOOLS.items()]

WORDS = st.text(alphabet="ab é字🙂{[:,]}'.", min_size=1, max_size=12).map(lambda text: f"x{text}x")
# It knows properties by their own type only, so no references here.
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "text": WORDS,
        "count": st.integers(-(2**40), 2**40),
        "amount": st.none() | st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 3) + 0.5),
        "list": st.lists(WORDS, max_size=3),
        "object": st.dictionaries(st.sampled_from(["a", "b_2"]), WORDS | st.integers() | st.booleans(), max_size=2),
    },
)
CALLS = st.lists(st.tuples(st.sampled_from(["get", "get_weather"]), ARGUMENTS), max_size=3)


def theirs(template, text):
    """(content, reasoning, calls)"""
    parser = ResponseParser(template, prefix="", tools=TOOL_LIST)
    parser.feed(text)
    message, _ = parser.finalize()
    calls = [call["function"] for call in message.get("tool_calls", [])]
    arguments = [call.get("arguments", call.get("parameters")) for call in calls]
    said = [message.get(field, "") for field in ("content", "reasoning_content")]
    return *said, [(call["name"], value) for call, value in zip(calls, arguments, strict=True)]


@pytest.mark.parametrize("family", FAMILIES)
@given(reasoning=st.none() | WORDS, content=st.none() | WORDS, calls=CALLS)
def test_both_read_the_same(family, reasoning, content, calls):
    format, template = format_of(family), TEMPLATES[family]
    if "reasoning_content" not in template["fields"]:
        reasoning = None
    if format.tools[0].bare and calls:
        content = None
    text = write_answer(format, reasoning, content, calls)
    found = read(format, text)
    assert (found.content, found.reasoning, found.parsed) == theirs(template, text)
