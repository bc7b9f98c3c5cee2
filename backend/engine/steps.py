"""The functions that advance the decode state. Pure; compiled by model_runner.py, which donates `state` to each."""

import math
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp

from backend.attention import Attend, AttentionBackend, Cache
from backend.engine.state import Block, ChunkScores, DecodeState, RowState, empty_block
from backend.grammar.device import step as grammars
from backend.grammar.device.mask_cache import TokenMaskCache
from backend.grammar.device.vocabulary import Vocabulary
from backend.models.adapters.stack import AdapterStacks, RowAdapters, of_call
from backend.models.context import ForwardContext
from backend.models.decoder import Decoder
from backend.models.pooling import pool_chunks
from backend.sampling import logprobs
from backend.sampling.chain import TokenHistory, sample

SCORED_AT_ONCE = 32
GivenAdapters = tuple[AdapterStacks, RowAdapters] | None
"""The adapters on the device and which of them each row has; None where no row has any."""
Carry = tuple[Cache, RowState, TokenMaskCache | None, Block]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class PrefillInput:
    """Chunks of B sequences, up to T tokens each.

    page_table: int32 [B, M], their pages. tokens: int32 [B, T], padded at the end with -1. starts: int32 [B], the
    positions of the first. chosen: int32 [B, C], which of the T have their hidden states given back.
    is_embedding: bool [B, T], where `embeddings` float32 [B, T, D] stand in place of the ids'; None where none do.
    together: int32 [2, B, T], first and last of the positions that see each token both ways; None where none ever do.
    features: float32 [S, B, T, D], added to what the first S layers give; None where nothing ever is. places: int32
    [3, B, T], what rotary embeddings with sections turn by; None where a position is itself.
    """

    page_table: jax.Array
    tokens: jax.Array
    starts: jax.Array
    chosen: jax.Array
    is_embedding: jax.Array | None = None
    embeddings: jax.Array | None = None
    together: jax.Array | None = None
    features: jax.Array | None = None
    places: jax.Array | None = None


PREFILL_AXES = PrefillInput("BM", "BT", "B", "BC", "BT", "BTD", "1BT", "1BTD", "1BT")  # type: ignore[arg-type]
"""The letters of the axes of a `PrefillInput`'s arrays in place of the arrays."""


def prefill(
    decoder: Decoder, state: DecodeState, chunks: PrefillInput, adapters: GivenAdapters, backend: AttentionBackend
) -> tuple[DecodeState, jax.Array]:
    """Put keys and values of chunks of B sequences into the cache.

    Gives the next state and the hidden states [B, C, D] of the chosen positions.
    """
    tokens = chunks.tokens
    positions = jnp.where(tokens < 0, -1, chunks.starts[:, None] + jnp.arange(tokens.shape[1]))
    x = decoder.embed(jnp.maximum(tokens, 0))
    if chunks.is_embedding is not None and chunks.embeddings is not None:
        x = jnp.where(chunks.is_embedding[..., None], chunks.embeddings.astype(x.dtype), x)
    attend = backend.attend(chunks.page_table, chunks.together)
    context = _context(decoder, positions, attend, adapters, chunks.places, chunks.features)
    hidden, cache = decoder(x, context, state.cache)
    return replace(state, cache=cache), jnp.take_along_axis(hidden, chunks.chosen[..., None], axis=1)


def pool(
    decoder: Decoder, state: DecodeState, chunks: PrefillInput, adapters: GivenAdapters, backend: AttentionBackend
) -> tuple[DecodeState, jax.Array]:
    """`prefill`, and what each chunk is pooled to, float32 [B, D], or the scores of the decoder's classes, [B, Y]."""
    assert decoder.config.pooling is not None
    rows, size = chunks.tokens.shape
    everywhere = jnp.broadcast_to(jnp.arange(size, dtype=jnp.int32), (rows, size))
    state, hidden = prefill(decoder, state, replace(chunks, chosen=everywhere), adapters, backend)
    vectors = pool_chunks(decoder.config.pooling.mode, hidden, chunks.tokens >= 0, chunks.starts)
    return state, vectors if decoder.classifier is None else decoder.classifier(vectors)


def score(
    decoder: Decoder,
    state: DecodeState,
    chunks: PrefillInput,
    targets: jax.Array,
    adapters: GivenAdapters,
    backend: AttentionBackend,
) -> tuple[DecodeState, ChunkScores]:
    """`prefill`, and the log-probabilities of `targets`, int32 [B, T], each behind the token in the same place.

    Of SCORED_AT_ONCE places at a time, so that logits of a whole vocabulary never stand beside many others.
    """
    rows, size = chunks.tokens.shape
    everywhere = jnp.broadcast_to(jnp.arange(size, dtype=jnp.int32), (rows, size))
    state, hidden = prefill(decoder, state, replace(chunks, chosen=everywhere), adapters, backend)
    at_once = math.gcd(rows * size, SCORED_AT_ONCE)

    def of_part(part: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, ...]:
        logits = decoder.logits(part[0])
        return *logprobs.of_tokens(logits, part[1]), jnp.isfinite(logits).all(-1)

    parts = (hidden.reshape(-1, at_once, hidden.shape[-1]), targets.reshape(-1, at_once))
    scores = jax.lax.map(of_part, parts)
    return state, ChunkScores(*(x.reshape(rows, size, *x.shape[2:]) for x in scores))


def admit(state: DecodeState, row: jax.Array, start: RowState) -> DecodeState:
    """The state with everything of row `row`, int32 [1], set to `start`; beyond the last row nothing is."""

    def put(all_rows: jax.Array, one: jax.Array) -> jax.Array:
        return all_rows.at[row].set(one, mode="drop")

    return replace(state, rows=jax.tree.map(put, state.rows, start))


def move_row(state: DecodeState, source: jax.Array, target: jax.Array) -> DecodeState:
    """The state with row `target` made equal to row `source`, int32 [1] each."""
    return replace(state, rows=jax.tree.map(lambda x: x.at[target].set(x[source]), state.rows))


def copy_page(state: DecodeState, source: jax.Array, target: jax.Array, backend: AttentionBackend) -> DecodeState:
    """The state with page `target` made equal to page `source` in every layer, int32 [1] each."""
    return replace(state, cache=backend.copy_page(state.cache, source[0], target[0]))


def decode(
    decoder: Decoder,
    state: DecodeState,
    cells: jax.Array,
    vocabulary: Vocabulary,
    page_table: jax.Array,
    active: jax.Array,
    steps: jax.Array,
    stop_on_finish: jax.Array,
    adapters: GivenAdapters,
    backend: AttentionBackend,
    max_steps: int,
) -> tuple[DecodeState, Block]:
    """Run up to `steps` decoding steps for each of the first B rows that is `active` (bool [B]) and not done.

    cells: the grammars, int32 [capacity]. page_table: int32 [B, M], pages for all positions that may be fed.
    steps: int32, at most `max_steps`. stop_on_finish: bool, return as soon as a row has ended (somebody waits for it).
    Ends early when no row is left. Other rows of the state are not touched. A row whose logits are not finite fails.
    """
    size, attend = active.size, backend.attend(page_table)
    before = jax.tree.map(lambda x: x[:size], state.rows)

    def unfinished(carry: Carry) -> jax.Array:
        _, rows, _, block = carry
        ended = (active & rows.done & ~before.done).any()
        return (block.steps[0] < steps) & (active & ~rows.done).any() & ~(stop_on_finish & ended)

    def step(carry: Carry) -> Carry:
        cache, rows, masks, block = carry
        running = active & ~rows.done
        positions = jnp.where(running, rows.position, -1)[:, None]
        turned = jnp.where(positions < 0, -1, positions + rows.place_offset[:, None])
        context = _context(decoder, positions, attend, adapters, turned)
        hidden, cache = decoder(decoder.embed(rows.token[:, None]), context, cache)
        logits = decoder.logits(hidden[:, 0])
        masks, bits = grammars.allowed_tokens(cells, vocabulary, masks, rows.grammar, running)
        masked = (rows.grammar.constrained, lambda x: grammars.apply_mask(x, bits))
        history = TokenHistory(running, rows.in_prompt, rows.output_counts, rows.num_output_tokens, rows.history)
        tokens = sample(logits, rows.params, history, rows.position + 1, masked)
        failed = running & ~jnp.isfinite(logits).all(-1)
        count = (running & ~failed).astype(jnp.int32)
        drawn = tokens[:, None], count, logits[:, None]
        rows, block = accept(cells, vocabulary, rows, block, *drawn, in_kernels=masks is None)
        rows, block = replace(rows, done=rows.done | failed), replace(block, failed=block.failed | failed)
        return cache, rows, masks, replace(block, steps=block.steps + 1)

    block = empty_block(size, max_steps, state.rows.output_counts.shape[1])
    cache, rows, masks, block = jax.lax.while_loop(unfinished, step, (state.cache, before, state.masks, block))
    merged = jax.tree.map(lambda x, new: x.at[:size].set(new), state.rows, rows)
    is_end = rows.params.is_end[jnp.arange(size), rows.token]
    complete = jnp.where(is_end, grammars.may_end(cells, rows.grammar), grammars.finished(cells, rows.grammar))
    return DecodeState(cache, merged, masks), replace(block, done=rows.done, complete=complete)


def _context(
    decoder: Decoder,
    positions: jax.Array,
    attend: Attend,
    adapters: GivenAdapters,
    turned: jax.Array | None = None,
    features: jax.Array | None = None,
) -> ForwardContext:
    given = None if adapters is None else of_call(*adapters, positions)
    return decoder.context(positions, attend, turned, given, features)


def accept(
    cells: jax.Array,
    vocabulary: Vocabulary,
    rows: RowState,
    block: Block,
    tokens: jax.Array,
    count: jax.Array,
    logits: jax.Array,
    in_kernels: bool = False,
) -> tuple[RowState, Block]:
    """What one step drew goes to the rows and into the block: of row b the first count[b] of tokens[b].

    tokens: int32 [B, A], A the most that a step may give. count: int32 [B], 0 for rows that take no part.
    logits: float32 [B, A, V], what each token was drawn from. A row that is done takes nothing more.
    """
    for i in range(tokens.shape[1]):
        accepted = (count > i) & ~rows.done
        block = _record(block, rows, accepted, tokens[:, i], logits[:, i])
        rows = _advance(cells, vocabulary, rows, accepted, tokens[:, i], in_kernels)
    return rows, block


def _advance(
    cells: jax.Array,
    vocabulary: Vocabulary,
    rows: RowState,
    accepted: jax.Array,
    tokens: jax.Array,
    in_kernels: bool,
) -> RowState:
    """The rows after tokens int32 [B] where `accepted`."""
    index = jnp.arange(tokens.size)
    num_output_tokens = rows.num_output_tokens + accepted
    is_end = rows.params.is_end[index, tokens]
    grammar = grammars.advance(cells, vocabulary, rows.grammar, accepted & ~is_end, tokens, in_kernels)
    place = jnp.where(accepted, rows.position + 1, rows.history.shape[1])  # of others nowhere
    ended = is_end | (num_output_tokens >= rows.params.max_tokens) | grammars.finished(cells, grammar)
    return replace(
        rows,
        token=jnp.where(accepted, tokens, rows.token),
        position=rows.position + accepted,
        num_output_tokens=num_output_tokens,
        done=rows.done | (accepted & ended),
        history=rows.history.at[index, place].set(tokens, mode="drop"),
        output_counts=rows.output_counts.at[index, tokens].add(accepted.astype(jnp.int32)),
        grammar=grammar,
    )


def _record(block: Block, rows: RowState, accepted: jax.Array, tokens: jax.Array, logits: jax.Array) -> Block:
    """The block with one more token of each row that is `accepted`, and log-probabilities if one of them wants them."""
    # A selection: a scatter would be a loop over the rows on processors.
    here = accepted[:, None] & (jnp.arange(block.tokens.shape[1]) == block.count[:, None])

    def put(array: jax.Array, new: jax.Array) -> jax.Array:
        return jnp.where(here.reshape(*here.shape, *[1] * (array.ndim - 2)), new[:, None], array)

    def with_logprobs(arrays: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        new = logprobs.of_tokens(logits, tokens)
        return tuple(map(put, arrays, new))

    arrays = (block.logprobs, block.top_ids, block.top_logprobs)
    arrays = jax.lax.cond((accepted & rows.logprobs).any(), with_logprobs, lambda x: x, arrays)
    return replace(
        block,
        tokens=put(block.tokens, tokens),
        count=block.count + accepted,
        logprobs=arrays[0],
        top_ids=arrays[1],
        top_logprobs=arrays[2],
    )
