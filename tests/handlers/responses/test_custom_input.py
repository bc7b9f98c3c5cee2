"""The input of a custom tool comes out of its call's arguments, however these are written and cut."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.responses.custom_input import InputReader, as_arguments

SPACES = st.sampled_from(["", " ", "\n  "])


def read(pieces):
    reader = InputReader()
    texts = [reader.feed(piece) for piece in pieces]
    return texts, "".join(texts) + reader.finish()


def cut(text, places):
    bounds = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(bounds)]


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    ascii_only=st.booleans(),
    spaces=st.tuples(SPACES, SPACES, SPACES, SPACES),
    places=st.lists(st.integers(0, 10**6)),
)
def test_the_input_is_the_argument_however_it_is_written_and_cut(text, ascii_only, spaces, places):
    a, b, c, d = spaces
    arguments = f'{a}{{{b}"input"{c}:{d}{json.dumps(text, ensure_ascii=ascii_only)}}}'
    assert read(cut(arguments, places))[1] == text
    assert json.loads(as_arguments(text)) == {"input": text}


@given(
    text=st.text(st.sampled_from('a"\\\n🙂é/'), min_size=1),
    end=st.integers(0, 10**6),
    places=st.lists(st.integers(0, 99)),
)
def test_arguments_that_are_cut_give_a_beginning_of_the_input(text, end, places):
    arguments = json.dumps({"input": text})
    beginning = arguments[: end % len(arguments)]
    whole = read([beginning])[1]
    assert text.startswith(whole) and read(cut(beginning, places))[1] == whole


@given(places=st.lists(st.integers(0, 99)))
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"other": 1, "input": "a"}', "a"),
        ('{"input": 5}', '{"input": 5}'),
        ('{"input": "a", "input": "b"}', "a"),
        ('{"text": "a"}', '{"text": "a"}'),
        ("[1]", "[1]"),
        ("", ""),
        ('{"te', '{"te'),
        ('{"in', ""),
        ('{"input": "\\ud83d', ""),
        ('{"input": "\\ud83dx"}', "�x"),
        ('{"input": "\\ude42"}', "�"),
    ],
)
def test_arguments_that_nothing_enforced_are_read_as_far_as_they_go(arguments, text, places):
    assert read(cut(arguments, places))[1] == text


def test_text_comes_as_soon_as_it_is_certain():
    assert read(['{"input": "ab', "c\\", "n", "\\ud83d", '\\ude42d"', "}"])[0] == ["ab", "c", "\n", "", "🙂d", ""]
