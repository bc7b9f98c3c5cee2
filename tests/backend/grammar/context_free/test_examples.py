"""Grammars that people write, in both syntaxes, against Lark's Earley parser."""

import random

import pytest

from backend.grammar.automaton.run import Runner
from backend.grammar.device.state import DEPTH
from tests.backend.grammar.context_free import oracle
from tests.backend.grammar.context_free.compiled import accepts, runner, tables
from tests.backend.grammar.context_free.grammars import EXAMPLES
from tests.grammar_suite.walks import Walker

both = pytest.mark.parametrize(("name", "syntax"), [(name, syntax) for name in EXAMPLES for syntax in ("gbnf", "lark")])
WORDS = 25
LONGEST = 90


@both
def test_texts_of_the_language_are_accepted_and_others_are_not(name: str, syntax: str) -> None:
    example = EXAMPLES[name]
    grammar = getattr(example, syntax)
    assert [text for text in example.good if not accepts(grammar, text)] == []
    assert [text for text in example.bad if accepts(grammar, text)] == []
    assert [text for text in example.good if not oracle.accepts(example.lark, text)] == []
    assert [text for text in example.bad if oracle.accepts(example.lark, text)] == []


@both
def test_whatever_is_drawn_is_of_the_language_and_so_is_a_change_exactly_where_it_is_accepted(
    name: str, syntax: str
) -> None:
    example = EXAMPLES[name]
    compiled = tables(getattr(example, syntax))
    words = drawn(compiled)
    assert len(words) > 5
    for word in words:
        assert oracle.accepts(example.lark, word), word
    check = Runner(compiled)
    changes = [change for seed, word in enumerate(words) for change in changed(word, random.Random(seed))]
    assert [text for text in changes if check.accepts(text.encode()) != oracle.accepts(example.lark, text)] == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_both_syntaxes_give_one_language(name: str) -> None:
    example = EXAMPLES[name]
    for one, other in ((example.gbnf, example.lark), (example.lark, example.gbnf)):
        check = runner(other)
        assert [word for word in drawn(tables(one), seed=7, budget=80) if not check.accepts(word.encode())] == []


def test_a_grammar_nests_as_deep_as_the_stack_is() -> None:
    check = Runner(tables('root ::= "(" root ")" | "a"'), DEPTH)
    assert check.accepts(b"(" * DEPTH + b"a" + b")" * DEPTH)
    assert check.run(b"(" * (DEPTH + 1)) is None


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("depth", [1, 3])
def test_a_stack_that_is_full_leads_to_no_dead_end(name: str, depth: int) -> None:
    compiled = tables(EXAMPLES[name].gbnf)
    walker, check = Walker(compiled, 5, 60, depth=depth), Runner(compiled)
    words = [word for _ in range(20) if (word := walker.word()) is not None]
    assert words and all(map(check.accepts, words))


def drawn(compiled, seed: int = 0, budget: int = 12) -> list[str]:
    """Different words of a grammar, none too long."""
    walker = Walker(compiled, seed, budget)
    words = [walker.word() for _ in range(WORDS)]
    return list(dict.fromkeys(word.decode() for word in words if word is not None and len(word) < LONGEST))


def changed(word: str, rng: random.Random) -> list[str]:
    """The word with a character left out, doubled, replaced by another of it, and two exchanged."""
    if len(word) < 2:
        return [word + "a", "a" + word]
    at, to = rng.randrange(len(word)), rng.randrange(len(word) - 1)
    return [
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + rng.choice(word + "()[]{}<>\"' \n") + word[at + 1 :],
        word[:to] + word[to + 1] + word[to] + word[to + 2 :],
    ]
