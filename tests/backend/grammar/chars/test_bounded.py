"""What is taken out of a regular expression as bounds on the length means the same."""

import pytest

from backend.grammar.chars.bounded import bounded_pattern
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.parse import pattern


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        ("^[a-z]{1,50}$", 1),
        (r"^.{0,40}\.?$", 2),
        (r"^(?=.{3,60}$)[a-z]+(-[a-z]+)*$", 1),
        (r"^(?=.{1,53}\.?$)(?!.*--)[a-z-]+(\.[a-z-]+)*\.?$", 2),
        (r"^(?=[^x]{2,40}$)(?=.{5,50}x?y?$)\w*$", 4),
        (r"^(?!a)(?=.*b)[ab]{2,60}$", 1),
    ],
)
def test_the_union_is_the_language(text: str, alternatives: int) -> None:
    found = bounded_pattern(text)
    assert len(found) == alternatives
    union = CharDfa.empty()
    for language, least, most in found:
        assert len(language) < 20
        union = union | (language & CharDfa.lengths(least, most))
    assert union == pattern(text)


@pytest.mark.parametrize(
    "text", ["[a-z]{1,50}$", "^[a-z]{1,50}", "^a{1,50}|b$", "^x(?=.{1,50}$)y", "^(?!.{1,50}$)a", "^(ab){1,50}$"]
)
def test_others_stay_as_they_are(text: str) -> None:
    assert bounded_pattern(text) == [(pattern(text), 0, None)]
