"""Everything the device knows about the rows. Donated to every program and replaced by what it returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backend.attention import AttentionBackend, Cache
from backend.engine.config import EngineConfig
from backend.grammar.device import mask_cache
from backend.grammar.device import state as grammar_state
from backend.grammar.device.mask_cache import TokenMaskCache
from backend.grammar.device.state import GrammarState
from backend.grammar.device.step import key_size
from backend.grammar.device.vocabulary import Vocabulary
from backend.models.config import DecoderConfig
from backend.request import Request
from backend.sampling import params
from backend.sampling.logprobs import MAX_TOP
from backend.sampling.params import SamplingArrays


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class RowState:
    """B rows apart from their keys and values; in a DecodeState all R. On the host: one row, without the leading axis.

    token: int32 [B], the last token, whose keys are not in the cache yet. position: int32 [B], where it stands.
    num_output_tokens: int32 [B], tokens drawn so far. done: bool [B], drew an end token or max_tokens, or failed.
    logprobs: bool [B], wants log-probabilities. history: int32 [B, S], tokens of prompt and output by their position,
    the last one included; behind them those that are forced.
    in_prompt: bool [B, V], tokens of the prompt. output_counts: int32 [B, V], how often each token was drawn.
    place_offset: int32 [B], what rotary embeddings turn a position by, less the position. params, grammar: each row's
    sampling parameters, and how far its grammar is.
    """

    token: jax.Array
    position: jax.Array
    num_output_tokens: jax.Array
    done: jax.Array
    logprobs: jax.Array
    history: jax.Array
    in_prompt: jax.Array
    output_counts: jax.Array
    place_offset: jax.Array
    params: SamplingArrays
    grammar: GrammarState


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class DecodeState:
    """All that lives on the device between two programs, apart from weights and grammars.

    cache: keys and values of all pages, as the attention back end lays them out. rows: of each of the R rows, where it
    stands; None where nothing is drawn. masks: the token masks computed before, None where all are computed anew.
    """

    cache: Cache
    rows: RowState
    masks: TokenMaskCache | None


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Block:
    """What one dispatch of decoding steps gave. Row b drew tokens[b, :count[b]], each step none, one or several.

    tokens: int32 [B, O]. count: int32 [B]. done: bool [B]. complete: bool [B], the row drew an end token where its
    grammar, if it has one, lets the output end, or nothing may follow. failed: bool [B], logits of the row were not
    finite: it is done, and drew nothing from them. steps: int32 [X], how many ran.
    logprobs: float32 [B, O]. top_ids: int32 [B, O, 20]. top_logprobs: float32 [B, O, 20]; zero where no row wants them.
    """

    tokens: jax.Array
    count: jax.Array
    done: jax.Array
    complete: jax.Array
    failed: jax.Array
    steps: jax.Array
    logprobs: jax.Array
    top_ids: jax.Array
    top_logprobs: jax.Array


BY_VOCABULARY = frozenset(["in_prompt", "output_counts", "bias", "is_end"])
"""Fields of a row with an entry per token, [R, V]; of all others a row is whole."""


def state_axes(state: DecodeState, backend: AttentionBackend) -> DecodeState:
    """The letters of the axes of a decode state's arrays in place of the arrays, "1" for one that is never split."""

    def of_row(path: Any, array: jax.ShapeDtypeStruct) -> str:
        return "RV" if path[-1].name in BY_VOCABULARY else "R" + "1" * (array.ndim - 1)

    rows = jax.tree_util.tree_map_with_path(of_row, state.rows)
    masks = jax.tree.map(lambda array: "X" + "1" * (array.ndim - 1), state.masks)
    return DecodeState(backend.cache_axes(), rows, masks)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ChunkScores:
    """Log-probabilities of the token behind each of a chunk, for B rows.

    logprobs: float32 [B, T]. top_ids: int32 [B, T, 20]. top_logprobs: float32 [B, T, 20]. finite: bool [B, T], the
    logits were.
    """

    logprobs: jax.Array
    top_ids: jax.Array
    top_logprobs: jax.Array
    finite: jax.Array


def init_state(
    config: DecoderConfig, sizes: EngineConfig, backend: AttentionBackend, vocabulary: Vocabulary
) -> DecodeState:
    """A decode state with empty pages, in which every row is done. sizes: the engine's rows, pages and token masks."""
    if sizes.pooling is not None:
        return DecodeState(backend.init_cache(sizes.pages), None, None)  # type: ignore[arg-type]  # no program has rows
    rows, words = sizes.rows, vocabulary.words
    zeros = {name: jnp.zeros(rows, jnp.int32) for name in ("token", "position", "num_output_tokens", "place_offset")}
    return DecodeState(
        cache=backend.init_cache(sizes.pages),
        rows=RowState(
            **zeros,
            done=jnp.ones(rows, bool),
            logprobs=jnp.zeros(rows, bool),
            history=jnp.zeros((rows, sizes.context), jnp.int32),
            in_prompt=jnp.zeros((rows, config.vocab), bool),
            output_counts=jnp.zeros((rows, config.vocab), jnp.int32),
            params=params.empty(rows, config.vocab),
            grammar=grammar_state.empty(rows, words),
        ),
        masks=_empty_masks(sizes.grammar_masks, vocabulary),
    )


def _empty_masks(masks: int, vocabulary: Vocabulary) -> TokenMaskCache | None:
    return mask_cache.empty_cache(masks, vocabulary.words, key_size(vocabulary)) if masks else None


def first_row_state(
    request: Request, choice: int, output: Sequence[int], vocabulary: Vocabulary, grammar: GrammarState, context: int
) -> RowState:
    """One row as numpy arrays, whose tokens but the last are in the cache: the first decoding step feeds that one.

    choice: index among the request's choices. output: the tokens it drew before. grammar: its state after these.
    context: S, of the engine.
    """
    vocab, prompt, forced = vocabulary.size, request.prompt.tokens, request.sampling.forced
    known = [*prompt, *output, *forced[len(output) :]][:context]
    in_prompt = np.zeros(vocab, bool)
    in_prompt[list(prompt)] = True
    values: dict[str, Any] = {
        "token": np.asarray(output[-1] if output else prompt[-1], np.int32),
        "position": np.asarray(len(prompt) + len(output) - 1, np.int32),
        "num_output_tokens": np.asarray(len(output), np.int32),
        "place_offset": np.asarray(request.prompt.place_offset, np.int32),
        "done": np.asarray(False),
        "logprobs": np.asarray(request.top_logprobs is not None),
        "history": np.pad(np.asarray(known, np.int32), (0, context - len(known))),
        "in_prompt": in_prompt,
        "output_counts": np.bincount(np.asarray(output, np.int64), minlength=vocab).astype(np.int32),
    }
    return RowState(**values, params=params.row(request.sampling, request.seeds[choice], vocab), grammar=grammar)


def empty_block(rows: int, capacity: int, vocab: int) -> Block:
    """A block that takes up to `capacity` (O) tokens of each row."""
    top = (rows, capacity, min(MAX_TOP, vocab))
    return Block(
        tokens=jnp.zeros((rows, capacity), jnp.int32),
        count=jnp.zeros(rows, jnp.int32),
        done=jnp.zeros(rows, bool),
        complete=jnp.zeros(rows, bool),
        failed=jnp.zeros(rows, bool),
        steps=jnp.zeros(1, jnp.int32),
        logprobs=jnp.zeros((rows, capacity), jnp.float32),
        top_ids=jnp.zeros(top, jnp.int32),
        top_logprobs=jnp.zeros(top, jnp.float32),
    )
