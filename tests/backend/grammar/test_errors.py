"""A refusal keeps its innermost place and travels between processes."""

import pickle

from backend.grammar.errors import GrammarError


def test_the_place_is_part_of_the_text():
    assert str(GrammarError("too long", "#/a")) == "too long at #/a"
    assert str(GrammarError("too long")) == "too long"


def test_the_innermost_place_is_kept():
    assert GrammarError("too long").at("#/a").at("#").pointer == "#/a"


def test_a_refusal_survives_pickling():
    copy = pickle.loads(pickle.dumps(GrammarError("too long", "#/a")))
    assert (copy.message, copy.pointer) == ("too long", "#/a")
