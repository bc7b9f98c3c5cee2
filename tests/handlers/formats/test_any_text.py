"""Any text is read, all of it and the same however it is cut: texts strewn with what markers are made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.formats.families import REASONING_SYNTAXES
from handlers.formats.syntax import Format, Optional, QuotedArguments, TaggedArguments
from tests.handlers.formats.writing import FAMILIES, format_of, pieces_of, read

PLAIN = ["é", "字", " ", "\n", "x", "get", "get_", "get_weather", "null", "1", ",", ";", ":", "=", "-1.5"]
JSON = [
    '"',
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "'",
    "\\",
    '"name": ',
    '"get"',
    '"arguments": ',
    '"parameters": ',
    '"id": "1"',
]
CALLS = ['{"name": "get", "arguments": {"text": "é"}}', '{"name": "get", "parameters": {', "get()", 'get(text="', "{}"]
CUTS = st.sets(st.integers(1, 200), max_size=10)


def fragments_of(format):
    """The format's markers, whole, without their last character, and their first."""
    markers = [format.reasoning.open, format.reasoning.close] if format.reasoning else []
    for syntax in format.tools:
        for part in (*syntax.begin, *syntax.call, *syntax.between, *syntax.end):
            match part:
                case str() | Optional():
                    markers.append(part if isinstance(part, str) else part.text)
                case TaggedArguments():
                    kinds = [kind for kind, _ in part.kinds]
                    tag = f"{part.open}text{part.key_end}{part.value_open or (kinds or [''])[0]}"
                    markers += [part.open, part.key_end, part.value_open, part.close, *kinds, tag, tag]
                case QuotedArguments():
                    markers.append(part.quote)
    markers = list(dict.fromkeys(marker for marker in markers if marker))
    if format.flow == "channels":
        channels = ["analysis", "final", "commentary", " to=functions.get", "json"]
        controls = ["start|>assistant", "channel|>", "message|>", "constrain|>", "end|>", "call|>", "return|>"]
        heads = ["<|channel|>analysis<|message|>", "<|channel|>final<|message|>"]
        markers += [*channels, *heads, *(f"<|{control}" for control in controls)]
    shortened = [marker[:-1] for marker in markers if len(marker) > 2]
    return st.sampled_from(markers) | st.sampled_from(shortened + [marker[0] for marker in markers])


def texts(format):
    """Of two kinds, so that shrinking leaves what matters."""
    parts = st.one_of(fragments_of(format), fragments_of(format), st.sampled_from(PLAIN), st.sampled_from(JSON + CALLS))
    return st.lists(parts, max_size=14).map("".join)


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data(), opened=st.booleans())
def test_every_text_of_markers(family, data, opened):
    format = format_of(family)
    text = data.draw(texts(format))
    whole = read(format, text, opened=opened)
    assert read(format, text, range(len(text)), opened=opened) == whole
    assert read(format, text, data.draw(CUTS), opened=opened) == whole
    assert not (whole.reasoning and not whole.spans)


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_every_text_inside_a_call(family, data):
    """Written after the beginning of a call, so that its body is what varies."""
    format = format_of(family)
    syntax = data.draw(st.sampled_from(format.tools))
    head = "".join(part for part in (*syntax.begin, *syntax.call[:1]) if isinstance(part, str))
    text = (
        head
        + data.draw(st.sampled_from(["", "get", "get>", '{"name": "get", "arguments": {']))
        + data.draw(texts(format))
    )
    whole = read(format, text)
    assert read(format, text, range(len(text))) == whole
    assert read(format, text, data.draw(CUTS)) == whole


@pytest.mark.parametrize("flow", ["text", "channels"])
@pytest.mark.parametrize("reasoning", ["think", "mistral", "harmony", "none"])
@given(
    text=st.lists(st.sampled_from(["é", " ", "<", "<think>", "</think>", "[THINK]", "[/THINK]", "<|end|>"])).map(
        "".join
    )
)
def test_without_tools(flow, reasoning, text):
    format = Format((), REASONING_SYNTAXES[reasoning], flow, "none", reasoning)
    whole = read(format, text, tools={})
    assert read(format, text, range(len(text)), tools={}) == whole
    assert reasoning != "none" or whole.content == text


@pytest.mark.parametrize("family", FAMILIES)
@given(text=st.text(alphabet="ab é字 \n.,", min_size=1))
def test_plain_text_comes_at_once(family, text):
    """Except for white space, behind which a call may come."""
    fed, _ = pieces_of(format_of(family), text, range(1, len(text)))
    content = ""
    for index, segments in enumerate(fed[:-1]):
        content += "".join(segment.text for segment in segments)
        assert content == text[: index + 1].rstrip() or content == text[: index + 1]


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_only_what_may_become_a_marker_is_held(family, data):
    """Of text with beginnings of markers, no more than white space and one of them."""
    format = format_of(family)
    markers = [marker for syntax in format.tools for marker in syntax.markers]
    markers += [format.reasoning.open, "<|start|>assistant", "<|channel|>"]
    beginnings = st.sampled_from(markers).flatmap(
        lambda marker: st.integers(1, len(marker) - 1).map(lambda n: marker[:n])
    )
    text = "a" + data.draw(st.lists(beginnings | st.sampled_from([" ", "b", "\n"]), max_size=8).map("".join))
    if any(marker in text for marker in markers):
        return
    fed, _ = pieces_of(format, text, range(1, len(text)))
    given_so_far = 0
    for index, segments in enumerate(fed[:-1]):
        given_so_far += sum(len(segment.text) for segment in segments)
        held = text[given_so_far : index + 1].lstrip()
        assert held == "" or any(marker.startswith(held) for marker in markers)
