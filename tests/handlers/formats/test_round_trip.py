"""What was written is what is read: every family and way of writing, whole, in pieces, or cut off anywhere."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.formats.segments import CallArguments
from handlers.formats.syntax import JsonArguments, JsonCall, QuotedArguments, TaggedArguments
from tests.handlers.formats.writing import (
    FAMILIES,
    TOOLS,
    Hand,
    Read,
    format_of,
    merged,
    pieces_of,
    read,
    write_answer,
)

# No marker can be spelled with these, but all can begin with some.
TEXT = st.text(alphabet="ab é字🙂<[{|>/\"'\n\t}]():,=\\", max_size=12)
HANDS = st.builds(
    Hand,
    spaces=st.lists(st.sampled_from(["", " ", "\n", "\n \t"]), max_size=12),
    ascii=st.booleans(),
    separators=st.sampled_from([(", ", ": "), (",", ":"), (" ,\n", " : ")]),
)
CUTS = st.sets(st.integers(1, 400), max_size=12)


def values(forbidden):
    """Arguments that fit the schema, without the texts that would end them."""
    text = st.one_of(TEXT, st.text(max_size=8), st.sampled_from([mark[:-1] for mark in forbidden] or ["</tool_call>"]))
    text = text.filter(lambda text: not any(mark in text for mark in forbidden))
    numbers = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
    scalars = st.none() | st.booleans() | numbers | text
    nested = scalars | st.lists(scalars, max_size=2) | st.dictionaries(text, scalars, max_size=2)
    return st.fixed_dictionaries(
        {},
        optional={
            "text": text,
            "count": st.integers(-(2**60), 2**60),
            "amount": st.none() | numbers,
            "really": st.booleans(),
            "list": st.lists(text, max_size=2),
            "object": st.dictionaries(text, nested, max_size=2),
        },
    )


def forbidden_in(syntax):
    """Within a tag or between quotes nothing is escaped."""
    tags = [part.close for part in syntax.call if isinstance(part, TaggedArguments)]
    return [*tags, *(part.quote for part in syntax.call if isinstance(part, QuotedArguments))]


SYNTAXES = [(family, i) for family in FAMILIES for i in range(len(format_of(family).tools))]


@st.composite
def answers(draw, family, number, min_calls=0):
    """(format, text, reasoning, content before and behind, calls)"""
    format = format_of(family)
    syntax = format.tools[number]
    call = st.tuples(st.sampled_from(sorted(TOOLS)), values(forbidden_in(syntax)))
    calls = draw(st.lists(call, min_size=min_calls, max_size=2))
    reasoning = draw(st.none() | TEXT)
    content = None if syntax.bare else draw(st.none() | TEXT)
    behind = draw(TEXT) if format.flow == "text" else ""
    if syntax.bare and not calls:
        behind = ""
    text = write_answer(format, reasoning, content, calls, syntax, draw(HANDS)) + behind
    return format, text, reasoning, content or "", behind, calls


def expected_content(format, reasoning, content, behind, calls):
    if format.flow == "channels":
        return content
    if calls:
        before, after = content.rstrip(), behind if behind.strip() else ""
        return (before.lstrip() if reasoning is not None else before) + after
    return (content + behind).lstrip() if reasoning is not None else content + behind


@pytest.mark.parametrize(("family", "number"), SYNTAXES)
@given(data=st.data())
def test_what_was_written_is_read(family, number, data):
    """However it is cut, and promptly; and without tools it is all text."""
    format, text, reasoning, content, behind, calls = data.draw(answers(family, number))
    found = read(format, text)
    assert found.parsed == calls
    assert found.reasoning == (reasoning or "").strip()
    assert found.content == expected_content(format, reasoning, content, behind, calls)
    assert read(format, text, data.draw(CUTS)) == found
    letters = pieces_of(format, text, range(1, len(text)))[0]
    assert merged([segment for segments in letters for segment in segments]) == found.segments
    if any(isinstance(part, JsonArguments | JsonCall) for part in format.tools[number].call):
        fragments = [
            (i, segment) for i, some in enumerate(letters) for segment in some if isinstance(segment, CallArguments)
        ]
        assert all(segment.start == i == segment.end - 1 for i, segment in fragments)
    assert not read(format, text, tools={}).calls


@pytest.mark.parametrize(("family", "number"), SYNTAXES)
@given(data=st.data())
def test_cut_off_anywhere(family, number, data):
    """Calls that were complete are there; at most the last is not, and only if it was being passed on as JSON.

    What had been given before the end is how the whole answer begins.
    """
    format, text, *_, calls = data.draw(answers(family, number, min_calls=1))
    end = data.draw(st.integers(0, len(text)))
    whole, found = read(format, text), read(format, text[:end])
    assert read(format, text[:end], range(end)) == found
    for (name, part), (whole_name, arguments) in zip(found.calls, whole.calls, strict=False):
        assert name == whole_name and arguments.startswith(part)
    assert [(name, json.loads(part)) for name, part in found.calls[:-1]] == calls[: max(0, len(found.calls) - 1)]
    given_before = merged(pieces_of(format, text[:end])[0][0])
    for (kind, part, *rest), (whole_kind, segment, *whole_rest) in zip(given_before, whole.segments, strict=False):
        assert (kind, rest) == (whole_kind, whole_rest) and segment.startswith(part)
    assert given_before[:-1] == whole.segments[: max(0, len(given_before) - 1)]


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data(), only_calls=st.booleans())
def test_what_is_cut_of_an_enforced_call_is_no_content_and_unfinished(family, data, only_calls):
    format, _, reasoning, content, _, calls = data.draw(answers(family, 0, min_calls=1))
    text = write_answer(format, reasoning, None if only_calls else content, calls, format.tools[0], Hand())
    marker = format.tools[0].marker
    for end in [*data.draw(st.lists(st.integers(0, len(text)), max_size=5)), len(text)]:
        fed, parser = pieces_of(format, text[:end], enforced=True, only_calls=only_calls)
        segments = [segment for some in fed for segment in some]
        found = Read(merged(segments), parser.reasoning_spans)
        if only_calls:
            assert found.content == ""
        elif marker is not None:
            assert marker not in found.content
        whole = [arguments for _, arguments in found.calls]
        if whole and not _is_json(whole[-1]):
            assert parser.unfinished
    assert not parser.unfinished and found.parsed == calls


def _is_json(text):
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("family", ["hermes", "mistral", "gemma4", "harmony"])
@given(reasoning=TEXT, content=TEXT, cuts=CUTS)
def test_reasoning_that_the_prompt_opened(family, reasoning, content, cuts):
    format = format_of(family)
    head = "<|start|>assistant<|channel|>final<|message|>" if family == "harmony" else ""
    text = f"{reasoning}{format.reasoning.close}{head}{content}"
    found = read(format, text, cuts, opened=True)
    assert found.reasoning == reasoning.strip()
    assert found.content == (content if head else content.lstrip())
    assert found.spans == [(0, len(reasoning))]
