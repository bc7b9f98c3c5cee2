"""Every program the engine ever runs, compiled ahead for its few shapes. Nothing is compiled after this."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from backend.engine import steps
from backend.engine.config import EngineConfig, bucket
from backend.engine.state import Block, DecodeState, RowState, first_row_state, init_state
from backend.grammar.device.arena import Arena, Placement
from backend.grammar.device.vocabulary import build_vocabulary, missing_bytes
from backend.models.decoder import Decoder
from backend.request import Request, SamplingParams

Name = tuple[str, int]
"""A program and its size, 0 where there is but one."""
Jobs = dict[Name, Callable[[], jax.stages.Lowered]]
Progress = Callable[[int, int], None]
COMPILE_THREADS = 4
NO_TOKENS = [bytes([byte]) for byte in b'{}[]"a']
"""What the programs are made for where the tokens are not known; no grammar is enforced then."""


class Programs:
    """Owns the weights, the grammars and the compiled programs; every method takes the state and gives the next one.

    tokens: the bytes that each token adds to a text, b"" for special ones; grammars need them. arena: the grammars.
    The decoder is split once: a module is costly to pass to a jitted function, a flat list of leaves is not.
    """

    def __init__(
        self,
        decoder: Decoder,
        config: EngineConfig,
        dtype: jnp.dtype,
        tokens: Sequence[bytes] = (),
        progress: Progress = lambda done, total: None,
    ) -> None:
        self.config, self.vocab = config, decoder.config.vocab
        self.missing_bytes = missing_bytes(tokens)
        known = list(tokens[: self.vocab]) if any(tokens) else NO_TOKENS
        known += [b""] * (self.vocab - len(known))
        self.arena = Arena(config.grammar_cells)
        self._vocabulary = jax.device_put(build_vocabulary(known))
        self._init_state = partial(
            init_state, decoder.config, config.rows, config.context, dtype, self._vocabulary, config.grammar_masks
        )
        graph, params = nnx.split(decoder)
        self._leaves, tree = jax.tree.flatten(params)
        self._merge = lambda leaves: nnx.merge(graph, jax.tree.unflatten(tree, leaves))
        self._compiled = _compile_all(self._lowered(), progress)

    def init_state(self) -> DecodeState:
        """An empty state."""
        return self._compiled["init", 0]()

    def decode(self, state: DecodeState, live: np.ndarray, steps: int, leave: bool) -> tuple[DecodeState, Block]:
        """`steps.decode` for live bool [B], B one of the row buckets."""
        program = self._compiled["decode", live.size]
        return program(self._leaves, state, self.arena.cells, self._vocabulary, live, np.int32(steps), np.bool_(leave))

    def prefill(self, state: DecodeState, row: int, tokens: tuple[int, ...], start: int) -> DecodeState:
        """`steps.prefill` of at most `config.chunk` tokens."""
        padded = np.full(bucket(self.config.prefill_buckets, len(tokens)), -1, np.int32)
        padded[: len(tokens)] = tokens
        return self._compiled["prefill", padded.size](self._leaves, state, np.int32(row), padded, np.int32(start))

    def admit(
        self, state: DecodeState, row: int, request: Request, choice: int, grammar: Placement | None
    ) -> DecodeState:
        """`steps.admit` of one choice of a request, whose grammar is in the arena."""
        start = self._first_row_state(request, choice, grammar)
        return self._compiled["admit", 0](state, np.int32(row), start)

    def copy_row(self, state: DecodeState, source: int, target: int) -> DecodeState:
        """`steps.copy_row`."""
        return self._compiled["copy_row", 0](state, np.int32(source), np.int32(target))

    def _first_row_state(self, request: Request, choice: int, grammar: Placement | None) -> RowState:
        return first_row_state(request, choice, self._vocabulary, grammar)

    def _lowered(self) -> Jobs:
        """How to trace each program."""
        state = jax.eval_shape(self._init_state)
        one = self._first_row_state(Request((0,), SamplingParams(1, ()), (0,)), 0, None)
        number, flag = np.int32(0), np.bool_(False)
        jobs: Jobs = {
            ("init", 0): jax.jit(self._init_state).lower,
            ("admit", 0): lambda: jax.jit(steps.admit, donate_argnums=0).lower(state, number, one),
            ("copy_row", 0): lambda: jax.jit(steps.copy_row, donate_argnums=0).lower(state, number, number),
        }

        def on_leaves(step: Callable[..., Any], **static: int) -> Any:
            return jax.jit(lambda leaves, *args: step(self._merge(leaves), *args, **static), donate_argnums=1)

        for size in self.config.row_buckets:
            args = (self._leaves, state, self.arena.cells, self._vocabulary, np.zeros(size, bool), number, flag)
            decode = on_leaves(steps.decode, max_steps=self.config.max_steps)
            jobs["decode", size] = partial(decode.lower, *args)
        for size in self.config.prefill_buckets:
            jobs["prefill", size] = partial(
                on_leaves(steps.prefill).lower, self._leaves, state, number, np.zeros(size, np.int32), number
            )
        return jobs


def _compile_all(jobs: Jobs, progress: Progress) -> dict[Name, Any]:
    """Trace in order, compile side by side."""
    compiled: dict[Name, Any] = {}
    progress(0, len(jobs))
    with ThreadPoolExecutor(COMPILE_THREADS) as pool:
        pending = {pool.submit(lower().compile): name for name, lower in jobs.items()}
        for done, future in enumerate(as_completed(pending), 1):
            compiled[pending[future]] = future.result()
            progress(done, len(jobs))
    return compiled
