"""The functions that advance the decode state. Pure; compiled by programs.py, which donates `state` to every one."""

from dataclasses import replace

import jax
import jax.numpy as jnp

from backend.attention import AttentionBackend
from backend.engine.state import Block, DecodeState, RowState, empty_block
from backend.grammar.device import step as grammars
from backend.grammar.device.rows import RowCache
from backend.grammar.device.vocabulary import Vocabulary
from backend.models.decoder import Decoder
from backend.sampling import logprobs
from backend.sampling.chain import Drawn, sample

Carry = tuple[tuple, RowState, RowCache, Block]


def prefill(
    decoder: Decoder,
    state: DecodeState,
    tables: jax.Array,
    tokens: jax.Array,
    starts: jax.Array,
    backend: AttentionBackend,
) -> DecodeState:
    """Put pieces of B sequences into the cache.

    tables: int32 [B, W], their pages. tokens: int32 [B, T], padded at the end with -1. starts: int32 [B], the positions
    of the first.
    """
    positions = jnp.where(tokens < 0, -1, starts[:, None] + jnp.arange(tokens.shape[1]))
    context = decoder.context(positions, backend.attend(tables))
    _, caches = decoder(decoder.embed(jnp.maximum(tokens, 0)), context, state.caches)
    return replace(state, caches=caches)


def admit(state: DecodeState, row: jax.Array, start: RowState) -> DecodeState:
    """Set everything of one row."""
    return replace(state, rows=jax.tree.map(lambda all_rows, one: all_rows.at[row].set(one), state.rows, start))


def move_row(state: DecodeState, source: jax.Array, target: jax.Array) -> DecodeState:
    """Make row `target` equal to row `source`."""
    moved = jax.tree.map(lambda x: x.at[target].set(x[source]), state.rows)
    return replace(state, rows=moved)


def copy_page(state: DecodeState, source: jax.Array, target: jax.Array, backend: AttentionBackend) -> DecodeState:
    """Make page `target` equal to page `source`."""
    return replace(state, caches=backend.copy_page(state.caches, source, target))


def decode(
    decoder: Decoder,
    state: DecodeState,
    cells: jax.Array,
    vocabulary: Vocabulary,
    tables: jax.Array,
    live: jax.Array,
    steps: jax.Array,
    leave: jax.Array,
    backend: AttentionBackend,
    max_steps: int,
) -> tuple[DecodeState, Block]:
    """Draw up to `steps` tokens for each of the first B rows that is `live` (bool [B]) and not done.

    cells: the grammars, int32 [capacity]. tables: int32 [B, W], pages for all positions that may be fed. steps: int32,
    at most `max_steps`. leave: bool, return as soon as a row has ended (somebody waits for it). Ends early when no row
    is left. Other rows of the state are not touched.
    """
    size, attend = live.size, backend.attend(tables)
    before = jax.tree.map(lambda x: x[:size], state.rows)

    def wanted(carry: Carry) -> jax.Array:
        _, rows, _, block = carry
        ended = (live & rows.done & ~before.done).any()
        return (block.steps < steps) & (live & ~rows.done).any() & ~(leave & ended)

    def step(carry: Carry) -> Carry:
        caches, rows, allowed, block = carry
        active = live & ~rows.done
        positions = jnp.where(active, rows.position, -1)[:, None]
        context = decoder.context(positions, attend)
        hidden, caches = decoder(decoder.embed(rows.token[:, None]), context, caches)
        logits = decoder.logits(hidden[:, 0])
        allowed, bits = grammars.allowed(cells, vocabulary, allowed, rows.grammar, active)
        masked = (rows.grammar.constrained, lambda x: grammars.mask(x, bits))
        drawn = Drawn(active, rows.in_prompt, rows.counts, rows.drawn)
        tokens = sample(logits, rows.params, drawn, rows.position + 1, masked)
        block = _record(block, rows, active, tokens, logits)
        return caches, _advance(cells, vocabulary, rows, active, tokens), allowed, block

    block = empty_block(size, max_steps, state.rows.counts.shape[1])
    caches, rows, allowed, block = jax.lax.while_loop(wanted, step, (state.caches, before, state.allowed, block))
    merged = jax.tree.map(lambda x, new: x.at[:size].set(new), state.rows, rows)
    block = replace(block, done=rows.done, finished=grammars.finished(cells, rows.grammar))
    return DecodeState(caches, merged, allowed), block


def _advance(
    cells: jax.Array, vocabulary: Vocabulary, rows: RowState, active: jax.Array, tokens: jax.Array
) -> RowState:
    """The rows after drawing `tokens` int32 [B] where `active`."""
    index = jnp.arange(tokens.size)
    drawn = rows.drawn + active
    is_end = rows.params.is_end[index, tokens]
    grammar = grammars.advance(cells, vocabulary, rows.grammar, active & ~is_end, tokens)
    ended = is_end | (drawn >= rows.params.max_tokens) | grammars.finished(cells, grammar)
    return replace(
        rows,
        token=jnp.where(active, tokens, rows.token),
        position=rows.position + active,
        drawn=drawn,
        done=rows.done | (active & ended),
        counts=rows.counts.at[index, tokens].add(active.astype(jnp.int32)),
        grammar=grammar,
    )


def _record(block: Block, rows: RowState, active: jax.Array, tokens: jax.Array, logits: jax.Array) -> Block:
    """The block with this step's tokens, and with log-probabilities if an active row wants them."""
    at = block.steps

    def with_logprobs(arrays: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        new = logprobs.of_tokens(logits, tokens)
        return tuple(x.at[:, at].set(y) for x, y in zip(arrays, new, strict=True))

    arrays = (block.logprobs, block.top_ids, block.top_logprobs)
    arrays = jax.lax.cond((active & rows.logprobs).any(), with_logprobs, lambda x: x, arrays)
    return replace(
        block,
        tokens=block.tokens.at[:, at].set(tokens),
        count=block.count + active,
        steps=at + 1,
        logprobs=arrays[0],
        top_ids=arrays[1],
        top_logprobs=arrays[2],
    )
