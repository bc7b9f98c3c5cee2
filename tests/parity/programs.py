"""The decoder as the parity tests run it: the whole sequence at once, in chunks over a cache, and token by token."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from backend.attention import Attend
from backend.attention.reference import PagedAttend, PagedAttention, even_page_table
from backend.attention.uncached import UncachedAttend
from backend.engine.model_runner import Name, Programs, Progress
from backend.models.adapters.stack import AdapterStacks, RowAdapters, of_call
from backend.models.context import ForwardContext
from backend.models.decoder import Decoder, kv_specs
from tests.compiling import QUICK

Given = tuple[AdapterStacks, RowAdapters] | None
"""Adapters and which of them each row has; None for none."""

CHUNK = 16
PAGE_TOKENS = 16
"""Tokens of one prefill call; shorter chunks are padded, and what padding writes is overwritten by what follows."""


def compile_quickly(programs: Programs, progress: Progress) -> dict[Name, Any]:
    """`compile_all` for engines that run each program a few times."""
    return {name: program.lower().compile(compiler_options=dict(QUICK)) for name, program in programs.items()}


def whole_logits(decoder: Decoder, tokens: np.ndarray, adapters: Given = None) -> np.ndarray:
    """float32 [B, T, V] of tokens [B, T], without a cache."""
    return np.asarray(_whole(*nnx.split(decoder), jnp.asarray(tokens), adapters))


def prefill(
    decoder: Decoder, tokens: np.ndarray, sizes: list[int], positions: int, adapters: Given = None
) -> tuple[np.ndarray, Any]:
    """Logits [B, sum(sizes), V] of the prompt cut into chunks of `sizes`, and the caches for `positions` positions."""
    graph_state = nnx.split(decoder)
    pages = len(tokens) * -(-(positions + CHUNK) // PAGE_TOKENS)
    caches = PagedAttention(kv_specs(decoder.config), jnp.dtype(jnp.float32), PAGE_TOKENS).init_cache(pages)
    start, logits = 0, []
    for size in sizes:
        padded = np.zeros((len(tokens), CHUNK), np.int32)
        padded[:, :size] = tokens[:, start : start + size]
        out, caches = _chunk(*graph_state, jnp.asarray(padded), caches, start, adapters)
        logits.append(np.asarray(out)[:, :size])
        start += size
    return np.concatenate(logits, axis=1), caches


def greedy(
    decoder: Decoder, first: np.ndarray, caches: Any, start: int, steps: int, adapters: Given = None
) -> tuple[np.ndarray, np.ndarray]:
    """Decode token by token from `first` int [B] at position `start`: tokens fed [B, steps] and their logits."""
    tokens, logits = _decode(*nnx.split(decoder), jnp.asarray(first, jnp.int32), caches, start, steps, adapters)
    return np.asarray(tokens), np.asarray(logits)


@partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def _whole(graph: Any, state: Any, tokens: jax.Array, adapters: Given) -> jax.Array:
    decoder = nnx.merge(graph, state)
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
    context = _context(decoder, positions, UncachedAttend(), adapters)
    hidden, _ = decoder(decoder.embed(tokens), context, [None] * len(decoder.config.layers))
    return decoder.logits(hidden)


@partial(jax.jit, static_argnums=0, compiler_options=QUICK)
def _chunk(
    graph: Any, state: Any, tokens: jax.Array, caches: Any, start: int, adapters: Given
) -> tuple[jax.Array, Any]:
    decoder = nnx.merge(graph, state)
    positions = jnp.broadcast_to(start + jnp.arange(tokens.shape[1]), tokens.shape)
    context = _context(decoder, positions, _attend(caches, tokens), adapters)
    hidden, caches = decoder(decoder.embed(tokens), context, caches)
    return decoder.logits(hidden), caches


@partial(jax.jit, static_argnums=(0, 5), compiler_options=QUICK)
def _decode(
    graph: Any, state: Any, first: jax.Array, caches: Any, start: int, steps: int, adapters: Given
) -> tuple[jax.Array, jax.Array]:
    decoder = nnx.merge(graph, state)

    def step(carry: tuple[jax.Array, Any], position: jax.Array) -> tuple[tuple[jax.Array, Any], Any]:
        token, caches = carry
        positions = jnp.broadcast_to(position, (len(token), 1))
        context = _context(decoder, positions, _attend(caches, token), adapters)
        hidden, caches = decoder(decoder.embed(token[:, None]), context, caches)
        logits = decoder.logits(hidden)[:, 0]
        return (logits.argmax(-1).astype(jnp.int32), caches), (token, logits)

    _, (tokens, logits) = jax.lax.scan(step, (first, caches), start + jnp.arange(steps))
    return tokens.T, logits.transpose(1, 0, 2)


def _context(decoder: Decoder, positions: jax.Array, attend: Attend, adapters: Given) -> ForwardContext:
    return decoder.context(positions, attend, adapters=None if adapters is None else of_call(*adapters, positions))


def _attend(caches: Any, tokens: jax.Array) -> Attend:
    return PagedAttend(even_page_table(caches[0].k.shape[0], len(tokens)))
