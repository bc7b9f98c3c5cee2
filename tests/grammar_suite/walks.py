"""Random words of a grammar: what a model of random weights would write at a high temperature."""

import random
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from backend.grammar.automaton.run import Configuration, Runner
from backend.grammar.automaton.tables import (
    ARGUMENT,
    COUNT,
    DEAD,
    FLAT_POP,
    INDENT,
    POP,
    PUSH,
    SEPARATE,
    SHIFT,
    AutomatonTables,
)

TRIES = 32


class Walker:
    """Draws words of one grammar: `budget` bytes or tokens at random, then one of the shortest ways to the end.

    vocabulary: tokens to draw evenly from those that may come next. Where it is None, kinds of bytes are drawn: the
    quote that ends a string is then about as likely as all letters together, so that words end by themselves.
    depth: frames that the stack may hold.
    """

    def __init__(
        self,
        tables: AutomatonTables,
        seed: int,
        budget: int = 200,
        vocabulary: Sequence[bytes] | None = None,
        depth: int | None = None,
    ) -> None:
        self.runner, self.tables = Runner(tables, depth), tables
        self._random, self._budget = random.Random(seed), budget
        classes = tables.classes.tolist()
        self._kinds = [[byte for byte in range(256) if classes[byte] == kind] for kind in sorted(set(classes))]
        self._tokens = None if vocabulary is None else [token for token in vocabulary if token]

    def reseed(self, seed: int) -> None:
        """Begin the random numbers anew."""
        self._random = random.Random(seed)

    def word(self, start: Configuration | None = None) -> bytes | None:
        """A word of the language, or how one goes on from `start`; None where its end is too far away."""
        at, word = start or self.runner.start, b""
        for _ in range(self._budget):
            text = self._drawn(at)
            if self.runner.complete(at) and (text is None or self._random.random() < 0.3):
                return word
            assert text is not None, f"nothing may follow {word!r}, which is not complete"
            after = self.runner.run(text, at)
            assert after is not None
            at, word = after, word + text
        return self._ended(at, word)

    def _drawn(self, at: Configuration) -> bytes | None:
        return self._byte(at) if self._tokens is None else self._token(at, self._tokens)

    def _byte(self, at: Configuration) -> bytes | None:
        following = self._following(at)
        return bytes([self._random.choice(following)[0]]) if following else None

    def _token(self, at: Configuration, tokens: list[bytes]) -> bytes | None:
        for _ in range(TRIES):
            if self.runner.run(token := self._random.choice(tokens), at) is not None:
                return token
        first = {byte for byte in range(256) if self.runner.step(at, byte) is not None}
        allowed = [token for token in tokens if token[0] in first and self.runner.run(token, at) is not None]
        return self._random.choice(allowed) if allowed else None

    def _ended(self, at: Configuration, word: bytes) -> bytes | None:
        """`word` and one of the shortest ways on to a complete word."""
        for _ in range(20 * self._budget):
            if self.runner.complete(at):
                return word
            byte, at = self._shortest(self._following(at))
            word += bytes([byte])
        return None

    def _following(self, at: Configuration) -> list[tuple[int, Configuration]]:
        """One random byte of each kind that may come next, and where it leads."""
        drawn = [self._random.choice(kind) for kind in self._kinds]
        steps = [(byte, self.runner.step(at, byte)) for byte in drawn]
        return [(byte, after) for byte, after in steps if after is not None]

    def _shortest(self, following: list[tuple[int, Configuration]]) -> tuple[int, Configuration]:
        """Out of the container if that may be, else the fewest bytes to its end; now and then another way."""
        if self._random.random() < 0.05:
            return self._random.choice(following)
        return min(following, key=lambda step: (len(step[1].stack), self._distances[step[1].state]))

    @cached_property
    def _distances(self) -> list[float]:
        """For each state the fewest bytes to the end of the word or of the container; counting is left out."""
        t = self.tables
        state, code = np.unique(
            np.stack([np.repeat(np.arange(len(t.transitions)), t.transitions.shape[1]), t.transitions.ravel()]), axis=1
        )
        state, code = state[code != DEAD], code[code != DEAD]
        kind, argument = code >> SHIFT, code & ARGUMENT
        records = {COUNT: t.counters, SEPARATE: t.separators, INDENT: t.indentations}
        pops, frames = (kind == POP) | (kind == FLAT_POP), np.where(kind == PUSH, argument, 0)
        states = np.where(pops | (kind == PUSH) | np.isin(kind, list(records)), 0, argument)
        found = np.where(t.accepting, 0.0, np.inf)

        def nearest(pointers: np.ndarray) -> np.ndarray:
            return np.where(pointers == DEAD, np.inf, found[pointers]).min(axis=1)

        while True:
            inside, after = nearest(t.frame_start), nearest(t.returns)
            rest = np.select([pops, kind == PUSH], [0.0, np.append(inside + after, np.inf)[frames]], found[states])
            for of_kind, record in records.items():
                places = np.where(kind == of_kind, argument, 0)
                rest = np.where(kind == of_kind, np.append(nearest(record[:, 1:]), np.inf)[places], rest)
            nearer = found.copy()
            np.minimum.at(nearer, state, 1 + rest)
            if (nearer == found).all():
                return found.tolist()
            found = nearer
