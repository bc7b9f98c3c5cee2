"""A grammar against llguidance and two validators, on conforming instances and on texts a little different."""

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from backend.grammar.automaton.run import Runner
from tests.grammar_suite.mutations import changed_bytes, changed_value, is_canonical
from tests.grammar_suite.oracle import Oracle
from tests.grammar_suite.orders import Search
from tests.grammar_suite.peers import Judge
from tests.grammar_suite.spelling import dumps


@dataclass(frozen=True)
class Found:
    """unsound: accepted but not conforming. missing: rejected, though it conforms and llguidance accepts it."""

    texts: int
    unsound: list[bytes]
    missing: list[bytes]


def compare(runner: Runner, oracle: Oracle, judge: Judge | None, texts: Iterable[bytes]) -> Found:
    """Each text by all of them. Without llguidance (judge None) there is nothing that could be missing.

    Only compact texts may be missing, and only in every order of their properties: the rest is a matter of policy.
    """
    count, unsound, missing = 0, [], []
    for text in texts:
        count += 1
        if runner.accepts(text):
            if not oracle.conforms(text):
                unsound.append(text)
        elif judge is not None and is_canonical(text) and judge.accepts(text) and oracle.conforms(text):
            missing += [text] if not Search(runner).accepts(json.loads(text)) else []
    return Found(count, unsound, missing)


def variations(instances: Iterable[Any], seed: int, values: int, spellings: int) -> Iterator[bytes]:
    """Each instance, `values` values next to it, and of each of these `spellings` texts with one byte changed."""
    draw = random.Random(seed)
    for instance in instances:
        near = [instance, *(changed_value(instance, draw) for _ in range(values))]
        near += [changed_value(value, draw) for value in near[1:]]
        for value in near:
            text = dumps(value)
            yield text
            yield from (changed_bytes(text, draw) for _ in range(spellings))
