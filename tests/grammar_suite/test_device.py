"""Real schemas and real vocabularies on the device: the masks along real outputs are those of the host, bit by bit."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from backend.grammar.automaton.run import Configuration, Runner
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.device import step
from backend.grammar.device.arena import Arena
from backend.grammar.device.mask_cache import empty_cache
from backend.grammar.device.state import DEPTH, row
from backend.grammar.device.vocabulary import build_vocabulary
from tests.backend.grammar.vocabularies import Vocabulary, vocabulary
from tests.grammar_suite.conftest import Compiled
from tests.grammar_suite.spelling import dumps

pytestmark = pytest.mark.slow

ROWS = 8
_allowed = partial(jax.jit, donate_argnums=2)(step.allowed_tokens)
_advance = jax.jit(step.advance)


class Device:
    """The masks of ROWS rows at a time, for one vocabulary; rows that were filled for other grammars stay cached."""

    def __init__(self, words: Vocabulary) -> None:
        host = build_vocabulary(words.tokens)
        self._words, self._vocabulary, self._arena = words, jax.device_put(host), Arena(1 << 24)
        self._cache = empty_cache(512, host.words, step.key_size(host))
        self._is_end = np.arange(len(words.tokens)) == words.end

    def masks(self, tables: Sequence[AutomatonTables], ids: np.ndarray):
        """Yields bool [ROWS, V] before each of the tokens ids int32 [ROWS, T] and after the last."""
        places = [self._arena.acquire(id(entry), entry) for entry in tables]
        singles = [row(place, self._is_end, self._vocabulary.words) for place in places]
        rows = jax.tree.map(lambda *x: jnp.asarray(np.stack(x)), *singles)
        active = jnp.ones(len(tables), bool)
        for tokens in [*ids.T, None]:
            self._cache, bits = _allowed(self._arena.cells, self._vocabulary, self._cache, rows, active)
            yield np.asarray(step.apply_mask(jnp.zeros((len(tables), len(self._is_end))), bits)) == 0
            if tokens is not None:
                rows = _advance(self._arena.cells, self._vocabulary, rows, active, jnp.asarray(tokens))
        for entry in tables:
            self._arena.release(id(entry))


class Host:
    """The mask of one configuration, every token run byte by byte; tokens that begin alike share these bytes."""

    def __init__(self, words: Vocabulary) -> None:
        self._words, self._sorted = words, sorted((token, id) for id, token in enumerate(words.tokens) if token)

    def mask(self, runner: Runner, at: Configuration) -> np.ndarray:
        """bool [V]."""
        found = np.zeros(len(self._words.tokens), bool)
        found[self._words.end] = runner.complete(at)
        path: list[Configuration | None] = [at]
        before = b""
        for token, id in self._sorted:
            del path[1 + _common(before, token) :]
            while len(path) <= len(token) and path[-1] is not None:
                path.append(runner.step(path[-1], token[len(path) - 1]))
            found[id] = len(path) > len(token) and path[-1] is not None
            before = token[: len(path) - 1]
        return found


def _common(a: bytes, b: bytes) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


@pytest.mark.parametrize(("name", "every", "steps"), [("bundled", 1, 40), ("32k", 4, 24), ("131k", 16, 12)])
def test_masks_along_real_outputs_are_those_of_the_host(
    name: str, every: int, steps: int, compiled: list[Compiled]
) -> None:
    words = vocabulary(name)
    device, host = Device(words), Host(words)
    chosen = [entry for entry in (_output(entry, words, steps) for entry in compiled) if entry is not None][::every]
    compared = 0
    for start in range(0, len(chosen) - ROWS + 1, ROWS):
        tables, ids = zip(*chosen[start : start + ROWS], strict=True)
        runners = [Runner(entry, DEPTH) for entry in tables]
        at: list[Configuration | None] = [runner.start for runner in runners]
        for t, masks in enumerate(device.masks(tables, np.stack(ids))):
            which = (start + t) % ROWS  # one row of each step: the host is slow
            np.testing.assert_array_equal(masks[which], host.mask(runners[which], at[which]))
            compared += 1
            if t < steps:
                at = [runner.run(words.tokens[i[t]], here) for runner, here, i in zip(runners, at, ids, strict=True)]
    assert compared > steps


def _output(entry: Compiled, words: Vocabulary, steps: int) -> tuple[AutomatonTables, np.ndarray] | None:
    """The first `steps` tokens of a conforming instance that has so many."""
    for value in entry.case.conforming if entry.tables is not None else ():
        text = dumps(value)
        if Runner(entry.tables).accepts(text) and len(ids := words.encode(text.decode())) >= steps:
            return entry.tables, np.asarray(ids[:steps], np.int32)
    return None
