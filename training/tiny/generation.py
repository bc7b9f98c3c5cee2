"""A small greedy generator over the repository's decoder, for the evaluation: a batch at a time, nothing else."""

from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from backend.attention.reference import PagedAttention, even_page_table
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import kv_specs
from backend.models.weights import load

ROWS = 32
PROMPTS = (96, 256, 512)
"""Prompt lengths that are compiled; a batch takes the smallest that holds its longest prompt."""
NEW_TOKENS = 144
PAGE_TOKENS = 16


class Greedy:
    """A checkpoint that continues prompts with the likeliest tokens, in float32."""

    def __init__(self, folder: Path) -> None:
        checkpoint = open_checkpoint(folder)
        self.config = checkpoint.config
        self.graph, self.params = nnx.split(load(checkpoint, jnp.float32))

    def continue_all(self, prompts: list[list[int]], end: int) -> list[list[int]]:
        """The new tokens of every prompt, without the end token and what would follow it.

        Prompts are at most `PROMPTS[-1]` tokens; at most `NEW_TOKENS` are added to each.
        """
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        answers: list[list[int]] = [[] for _ in prompts]
        for start in range(0, len(order), ROWS):
            rows = order[start : start + ROWS]
            for index, answer in zip(rows, self._continue([prompts[index] for index in rows], end), strict=True):
                answers[index] = answer
        return answers

    def _continue(self, prompts: list[list[int]], end: int) -> list[list[int]]:
        longest = max(map(len, prompts))
        width = next(width for width in PROMPTS if width >= longest)
        tokens = np.zeros((ROWS, width), np.int32)
        lengths = np.ones(ROWS, np.int32)
        for row, prompt in enumerate(prompts):
            tokens[row, : len(prompt)], lengths[row] = prompt, len(prompt)
        drawn = np.asarray(self._run(self.params, jnp.asarray(tokens), jnp.asarray(lengths), end))
        return [_until(row.tolist(), end) for row in drawn[: len(prompts)]]

    @partial(jax.jit, static_argnums=0)
    def _run(self, params: nnx.State, tokens: jax.Array, lengths: jax.Array, end: jax.Array) -> jax.Array:
        """Prompts int32 [B, T] of `lengths` [B] -> new tokens int32 [B, NEW_TOKENS]; `end` fills up ended rows."""
        decoder = nnx.merge(self.graph, params)
        rows, width = tokens.shape
        pages = rows * -(-(width + NEW_TOKENS) // PAGE_TOKENS)
        backend = PagedAttention(kv_specs(self.config), jnp.dtype(jnp.float32), PAGE_TOKENS)
        caches, attend = backend.init_cache(pages), backend.attend(even_page_table(pages, rows))
        positions = jnp.broadcast_to(jnp.arange(width), tokens.shape)
        # What stands behind a short prompt fills the cache too; decoding writes over it before anything looks there.
        hidden, caches = decoder(decoder.embed(tokens), decoder.context(positions, attend), caches)
        last = jnp.take_along_axis(hidden, (lengths - 1)[:, None, None], axis=1)[:, 0]
        first = jnp.argmax(decoder.logits(last), axis=-1).astype(jnp.int32)

        def going(carry: tuple) -> jax.Array:
            step, _, out, _ = carry
            return (step < NEW_TOKENS) & ~jnp.all(jnp.any(out == end, axis=1))

        def draw(carry: tuple) -> tuple:
            step, token, out, caches = carry
            context = decoder.context((lengths + step - 1)[:, None], attend)
            hidden, caches = decoder(decoder.embed(token[:, None]), context, caches)
            token = jnp.argmax(decoder.logits(hidden[:, 0]), axis=-1).astype(jnp.int32)
            return step + 1, token, out.at[:, step].set(token), caches

        out = jnp.full((rows, NEW_TOKENS), -1, jnp.int32).at[:, 0].set(first)
        return jax.lax.while_loop(going, draw, (1, first, out, caches))[2]


def _until(tokens: list[int], end: int) -> list[int]:
    """The tokens before the end token; before the unused places where there is none."""
    stop = min(tokens.index(mark) if mark in tokens else len(tokens) for mark in (end, -1))
    return tokens[:stop]
