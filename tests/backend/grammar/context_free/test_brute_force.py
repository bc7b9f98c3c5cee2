"""Random grammars: what is compiled has exactly the texts that the rules derive; the rest is refused."""

import random
from collections import Counter
from collections.abc import Mapping

import pytest

from backend.grammar.automaton.run import Runner
from backend.grammar.errors import GrammarError
from tests.backend.grammar.context_free.compiled import runner

LETTERS = "ab()"
LONGEST = 6
Body = tuple
"""("text", letter), ("rule", name), ("all" or "any", bodies), or ("times", body, sign)."""


def random_body(rng: random.Random, names: list[str], depth: int = 0) -> Body:
    kind = rng.random()
    if depth > 2 or kind < 0.35:
        return ("text", rng.choice(LETTERS + "ab")) if rng.random() < 0.55 else ("rule", rng.choice(names))
    if kind < 0.7:
        return ("all", [random_body(rng, names, depth + 1) for _ in range(rng.randint(1, 4))])
    if kind < 0.85:
        return ("any", [random_body(rng, names, depth + 1) for _ in range(rng.randint(2, 3))])
    if kind < 0.92:
        return ("all", [("text", "("), random_body(rng, names, depth + 1), ("text", ")")])
    return ("times", random_body(rng, names, depth + 1), rng.choice("*?+"))


def random_grammar(seed: int) -> dict[str, Body]:
    rng = random.Random(seed)
    names = ["root", "x", "y", "z"][: rng.randint(1, 4)]
    return {name: random_body(rng, names) for name in names}


def written(body: Body) -> str:
    match body:
        case ("text", letter):
            return f'"{letter}"'
        case ("rule", name):
            return name
        case ("all", bodies):
            return f"({' '.join(map(written, bodies))})"
        case ("any", bodies):
            return f"({' | '.join(map(written, bodies))})"
    return f"({written(body[1])}){body[2]}"


def joined(some: set[str], more: set[str]) -> set[str]:
    return {a + b for a in some for b in more if len(a) + len(b) <= LONGEST}


def texts_of(body: Body, known: Mapping[str, set[str]]) -> set[str]:
    match body:
        case ("text", letter):
            return {letter}
        case ("rule", name):
            return known[name]
        case ("all", bodies):
            found = {""}
            for part in bodies:
                found = joined(found, texts_of(part, known))
            return found
        case ("any", bodies):
            return set().union(*(texts_of(part, known) for part in bodies))
    once, sign = texts_of(body[1], known), body[2]
    found = once | ({""} if sign != "+" else set())
    while sign != "?" and not (more := joined(found, once)) <= found:
        found |= more
    return found


def words(rules: dict[str, Body]) -> set[str]:
    """The texts of `root` up to LONGEST: the least solution of the rules as equations."""
    known: dict[str, set[str]] = {name: set() for name in rules}
    while True:
        found = {name: known[name] | texts_of(body, known) for name, body in rules.items()}
        if found == known:
            return known["root"]
        known = found


def accepted(check: Runner) -> set[str]:
    found, pending = set(), [("", check.start)]
    while pending:
        text, at = pending.pop()
        if check.complete(at):
            found.add(text)
        if len(text) < LONGEST:
            after = [(text + letter, check.step(at, ord(letter))) for letter in LETTERS]
            pending += [(longer, reached) for longer, reached in after if reached is not None]
    return found


@pytest.mark.parametrize("seed", range(8))
def test_a_grammar_that_is_not_refused_has_exactly_its_texts(seed: int) -> None:
    outcomes: Counter[str] = Counter()
    for each in range(60 * seed, 60 * (seed + 1)):
        rules = random_grammar(each)
        text = "\n".join(f"{name} ::= {written(body)}" for name, body in rules.items())
        expected = words(rules)
        try:
            check = runner(text, "gbnf")
        except GrammarError as error:
            outcomes["refused" if "no finite text" not in error.message else "empty"] += 1
            assert expected == set() or "no finite text" not in error.message, text
            continue
        outcomes["compiled"] += 1
        assert accepted(check) == expected, text
    assert outcomes["compiled"] > 20 and outcomes["refused"] < 15


@pytest.mark.parametrize("seed", range(4))
def test_levels_of_recursion_are_some_of_the_texts_and_no_others(seed: int) -> None:
    narrowed = 0
    for each in range(80 * seed, 80 * (seed + 1)):
        rules = random_grammar(each)
        text = "\n".join(f"{name} ::= {written(body)}" for name, body in rules.items())
        try:
            runner(text, "gbnf")
        except GrammarError as error:
            if "contains itself" not in error.message:
                continue
            try:
                found = accepted(runner(text, "gbnf", max_recursion=3))
            except GrammarError:
                continue
            assert found <= words(rules), text
            narrowed += bool(found)
    assert narrowed


REGULAR = {
    "left": 'root ::= root "a" | "b"',
    "right": 'root ::= "a" root | "b"',
    "both at once": 'root ::= root "a" root | "b"',
    "prefixes and postfixes": 'root ::= "a" root | root "b" | "(" | root ")" root',
    "left through another": 'root ::= x "a" | "b"\nx ::= root "a" | "b" x?',
    "right through another": 'root ::= ("a" x)?\nx ::= "b" root | ")" x',
    "in its own repetition": 'root ::= "a" ("b" root)*',
    "only itself": 'root ::= root | root root | "ab" |',
    "white space around": 'root ::= x root x | "b" | root x ")" x root\nx ::= "a"*',
    "nothing around": 'root ::= x root x | "ab"\nx ::= ""',
}


@pytest.mark.parametrize("name", REGULAR)
def test_recursion_that_is_a_repetition_needs_no_stack(name: str) -> None:
    check = runner(REGULAR[name], "gbnf")
    assert check._t.returns.shape == (1, 1)
