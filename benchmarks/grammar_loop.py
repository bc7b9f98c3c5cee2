"""What a step pays for grammars on the device, beside llguidance on the host: the same outputs, the same vocabulary."""

import ctypes
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from backend.grammar import Constraint, GrammarError
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from backend.grammar.device import step
from backend.grammar.device.arena import Arena
from backend.grammar.device.mask_cache import TokenMaskCache, empty_cache
from backend.grammar.device.state import GrammarState, row
from backend.grammar.device.vocabulary import build_vocabulary
from benchmarks.grammar_sides import LLGuidance, Refused
from tests.backend.grammar.vocabularies import Vocabulary
from tests.grammar_suite.devset import Case
from tests.grammar_suite.spelling import dumps

CELLS = 1 << 25
MASKS = 8192
OUTPUTS = 64


@dataclass(frozen=True)
class Output:
    """One conforming instance. ids: its tokens, int32 [T]."""

    case: Case
    ids: np.ndarray


BITS, ARGMAX, MASKED = "bits", "argmax", "masked argmax"
"""What the loop does in each step: masks and states; the likeliest token; both, as decoding does."""


@dataclass(frozen=True)
class Costs:
    """Microseconds of one step of all rows, one entry per round: packed masks and states on the device, and by
    llguidance; the device while it computes its masks; the likeliest of all tokens, and of those allowed.
    """

    rows: int
    device: list[float]
    llguidance: list[float]
    first: list[float]
    argmax: list[float]
    masked: list[float]


def outputs(cases: Sequence[Case], words: Vocabulary, side: LLGuidance, steps: int) -> list[Output]:
    """Instances of at least `steps` tokens that both accept, one per schema; cut to `steps`."""
    found = []
    for case in cases:
        if len(found) == OUTPUTS:
            break
        long = [words.encode(text) for text in _texts(case) if len(text) > 2 * steps]
        ids = max(long, key=len, default=[])
        if len(ids) >= steps and _llguidance_takes(side, case, ids) and _we_take(case, words, ids):
            found.append(Output(case, np.asarray(ids[:steps], np.int32)))
    return found


def _texts(case: Case) -> list[str]:
    return [dumps(value).decode("utf-8", "ignore") for value in case.conforming]


def _llguidance_takes(side: LLGuidance, case: Case, ids: list[int]) -> bool:
    try:
        return side.compile(case.text).try_consume_tokens(ids) == len(ids)
    except Refused:
        return False


def _we_take(case: Case, words: Vocabulary, ids: list[int]) -> bool:
    try:
        tables = compile_constraint(Constraint("json_schema", case.text, open_objects=True))
    except GrammarError:
        return False
    return Runner(tables).run(b"".join(words.tokens[id] for id in ids)) is not None


class Device:
    """Grammars of the outputs on the device, and the loop of a decoder that has nothing else to do."""

    def __init__(self, words: Vocabulary, chosen: Sequence[Output]) -> None:
        self._words = build_vocabulary(words.tokens)
        self._vocabulary = jax.device_put(self._words)
        arena = Arena(CELLS)
        self._places = [arena.acquire(output.case.name, _tables(output.case)) for output in chosen]
        self.cells = arena.cells
        self._ids = np.stack([output.ids for output in chosen])
        self._is_end = np.arange(len(words.tokens)) == words.end
        self._loop = jax.jit(partial(_loop, self._vocabulary), donate_argnums=1, static_argnums=5)

    def cache(self) -> TokenMaskCache:
        """No mask computed yet."""
        key_size = step.key_size(self._words)
        return empty_cache(MASKS, self._words.words, key_size)

    def run(self, cache: TokenMaskCache, rows: int, work: str) -> tuple[TokenMaskCache, float]:
        """The cache afterwards, and seconds per step. work: BITS, ARGMAX or MASKED."""
        logits = jnp.asarray(np.random.default_rng(0).normal(size=(rows, len(self._is_end))).astype(np.float32))
        arguments = (self._start(rows), jnp.asarray(self._ids[:rows].T), logits)
        jax.block_until_ready((arguments, cache))
        began = time.perf_counter()
        cache, used = self._loop(self.cells, cache, *arguments, work)
        used.block_until_ready()
        return cache, (time.perf_counter() - began) / self._ids.shape[1]

    def _start(self, rows: int) -> GrammarState:
        singles = [row(place, self._is_end, self._words.words) for place in self._places[:rows]]
        return jax.tree.map(lambda *x: jnp.asarray(np.stack(x)), *singles)


def _tables(case: Case):
    return compile_constraint(Constraint("json_schema", case.text, open_objects=True))


def _loop(vocabulary, cells, cache: TokenMaskCache, rows: GrammarState, ids: jax.Array, logits: jax.Array, work: str):
    """ids: int32 [T, B]. Of all results something goes into `used` uint32 [B], so that nothing is left out."""
    active = jnp.ones(rows.grammar.shape, bool)

    def body(t: jax.Array, carry):
        cache, rows, used = carry
        if work != ARGMAX:
            cache, bits = step.allowed_tokens(cells, vocabulary, cache, rows, active)
            rows = step.advance(cells, vocabulary, rows, active, ids[t])
        if work == BITS:
            return cache, rows, used ^ jax.lax.reduce(bits, jnp.uint32(0), jax.lax.bitwise_xor, (1,))
        scores = logits + (used % 2)[:, None]  # so that it cannot be computed once for all steps
        scores = step.apply_mask(scores, bits) if work == MASKED else scores
        return cache, rows, used + jnp.argmax(scores, -1).astype(jnp.uint32)

    return jax.lax.fori_loop(0, ids.shape[0], body, (cache, rows, jnp.zeros(rows.grammar.shape, jnp.uint32)))[::2]


def host(side: LLGuidance, chosen: Sequence[Output], rows: int) -> float:
    """Seconds per step in which llguidance fills the mask of each row and takes its token."""
    matchers = [side.compile(output.case.text) for output in chosen[:rows]]
    words = (side.tokenizer.vocab_size + 31) // 32
    masks = (ctypes.c_uint32 * (words * rows))()
    places = [ctypes.addressof(masks) + 4 * words * i for i in range(rows)]
    steps = chosen[0].ids.size
    tokens = [output.ids.tolist() for output in chosen[:rows]]
    began = time.perf_counter()
    for t in range(steps):
        for matcher, place, ids in zip(matchers, places, tokens, strict=True):
            matcher.unsafe_compute_mask_ptr(place, 4 * words)
            matcher.consume_token(ids[t])
    seconds = time.perf_counter() - began
    assert not any(matcher.is_error() for matcher in matchers)
    return seconds / steps


def run(cases: Sequence[Case], words: Vocabulary, rows: Sequence[int], steps: int, rounds: int) -> list[Costs]:
    """Every number of rows, the sides by turns."""
    side = LLGuidance(words)
    chosen = outputs(cases, words, side, steps)
    chosen = [chosen[i % len(chosen)] for i in range(max(rows))]
    device = Device(words, chosen)
    found = []
    for size in track(rows, "decoding", console=Console(stderr=True), transient=True):
        _turn(device, side, chosen, size)
        turns = [_turn(device, side, chosen, size) for _ in range(rounds)]
        found.append(Costs(size, *([1e6 * x for x in column] for column in zip(*turns, strict=True))))
    return found


def _turn(device: Device, side: LLGuidance, chosen: Sequence[Output], size: int) -> tuple[float, ...]:
    """The fields of Costs, in seconds."""
    cache, first = device.run(device.cache(), size, BITS)
    cache, warm = device.run(cache, size, BITS)
    theirs = host(side, chosen, size)
    cache, argmax = device.run(cache, size, ARGMAX)
    _, masked = device.run(cache, size, MASKED)
    return warm, theirs, first, argmax, masked


def table(costs: Sequence[Costs]) -> Table:
    """As text."""
    shown = Table(title="One step of all rows; microseconds, medians of the rounds")
    columns: dict[str, Callable[[Costs], str]] = {
        "rows": lambda c: str(c.rows),
        "masks and states": lambda c: f"{median(c.device):.0f}",
        "llguidance": lambda c: f"{median(c.llguidance):.0f}",
        "ratio": lambda c: f"{_ratio(c.device, c.llguidance):.2f}",
        "while masks are computed": lambda c: f"{median(c.first):.0f}",
        "argmax": lambda c: f"{median(c.argmax):.0f}",
        "masked argmax": lambda c: f"{median(c.masked):.0f}",
        "ratio ": lambda c: f"{_ratio(c.masked, c.argmax):.2f}",
    }
    for heading in columns:
        shown.add_column(heading, justify="right")
    for entry in costs:
        shown.add_row(*(cell(entry) for cell in columns.values()))
    return shown


def _ratio(a: Sequence[float], b: Sequence[float]) -> float:
    return median(x / y for x, y in zip(a, b, strict=True))
