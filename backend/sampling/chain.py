"""The one order in which logits are shaped and a token is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from backend import native
from backend.sampling import penalties, sequences, truncation
from backend.sampling.draw import coin, gumbel_max, step_keys
from backend.sampling.params import SamplingArrays

Stage = tuple[jax.Array, Callable[[jax.Array], jax.Array]]
"""The rows that need a token mask, bool [B], and a function of all logits, [B, V] -> [B, V]."""
Bound = tuple[jax.Array, Callable[[jax.Array], jax.Array]]
"""The rows that need a filter, bool [B], and what it says of all logits, [B, V] -> [B], see truncation.py."""


@dataclass(frozen=True)
class TokenHistory:
    """The tokens that each row has seen. active: bool [B], rows that draw now; what the others get has no meaning.

    in_prompt: bool [B, V], tokens of the prompt. output_counts: int32 [B, V], how often each token was drawn.
    num_output_tokens: int32 [B], how many tokens were drawn. tokens: int32 [B, S], prompt and output by their position,
    and behind them those that are forced.
    """

    active: jax.Array
    in_prompt: jax.Array
    output_counts: jax.Array
    num_output_tokens: jax.Array
    tokens: jax.Array


def sample(
    logits: jax.Array, params: SamplingArrays, history: TokenHistory, position: jax.Array, token_mask: Stage
) -> jax.Array:
    """The next token of each row, int32 [B], from logits float32 [B, V].

    position: int32 [B], where the new token will stand; it makes the draw's key. token_mask: -inf for what a row's
    grammar does not allow. Order: bias, repetition, presence and frequency, token mask, end tokens masked below
    min_tokens, banned sequences, repeated n-grams, forced tokens, then greedy where temperature is 0, else temperature,
    top-k, top-p, min-p, XTC, Gumbel-max. What no active row needs is skipped where it takes more than one pass.
    """
    stochastic = history.active & (params.temperature > 0)
    # What a branch hands on is copied: rows that want nothing but the likeliest token must not pass through the rest.
    masked, mask = token_mask
    others = stochastic | (history.active & _is_shaped(params, history))
    branches = (
        native.argmax,
        lambda x: native.argmax(mask(x)),
        lambda x: _shape_and_draw(x, params, history, mask, stochastic, position),
    )
    return jax.lax.switch(
        jnp.where(others.any(), 2, (history.active & masked).any().astype(jnp.int32)), branches, logits
    )


def _is_shaped(p: SamplingArrays, history: TokenHistory) -> jax.Array:
    """bool [B], rows with a bias, a penalty or a ban, or that may not end or choose: what greedy rows have as well."""
    penalties_ = (p.repetition_penalty != 1) | (p.presence_penalty != 0) | (p.frequency_penalty != 0)
    bans = (p.num_banned > 0) | (p.no_repeat_ngram > 0)
    return p.bias.any(-1) | penalties_ | bans | _is_early(p, history) | _is_forced(p, history)


def _is_early(p: SamplingArrays, history: TokenHistory) -> jax.Array:
    return history.num_output_tokens < p.min_tokens


def _is_forced(p: SamplingArrays, history: TokenHistory) -> jax.Array:
    return history.num_output_tokens < p.num_forced


def _shape_and_draw(
    logits: jax.Array,
    p: SamplingArrays,
    history: TokenHistory,
    mask: Callable[[jax.Array], jax.Array],
    stochastic: jax.Array,
    position: jax.Array,
) -> jax.Array:
    logits = _shaped(logits, p, history, mask, position)
    tokens = jax.lax.cond(stochastic.any(), lambda x: _draw(x, p, stochastic, position), native.argmax, logits)
    return jnp.where(stochastic, tokens, native.argmax(logits))


def _shaped(
    logits: jax.Array,
    p: SamplingArrays,
    history: TokenHistory,
    mask: Callable[[jax.Array], jax.Array],
    position: jax.Array,
) -> jax.Array:
    """The logits with bias, penalties, mask, bans and what is forced."""
    # In one pass: what a stage does to rows that do not need it costs less than a copy of the logits past it.
    logits = logits + p.bias
    logits = penalties.repetition(logits, history.in_prompt | (history.output_counts > 0), p.repetition_penalty)
    logits = penalties.presence_and_frequency(logits, history.output_counts, p.presence_penalty, p.frequency_penalty)
    logits = jnp.where(_is_early(p, history)[:, None] & p.is_end, -jnp.inf, mask(logits))
    tokens, vocab, ngram = history.tokens, logits.shape[1], jnp.where(history.active, p.no_repeat_ngram, 0)
    bans = (
        (p.num_banned > 0, lambda: sequences.completed_sequences(tokens, position, p.banned, vocab)),
        (ngram > 0, lambda: sequences.repeated_ngrams(tokens, position, ngram, vocab)),
    )
    for needed, banned in bans:
        nothing = partial(jnp.zeros, logits.shape, bool)
        logits = sequences.ban(logits, jax.lax.cond((needed & history.active).any(), banned, nothing))
    only = jnp.take_along_axis(tokens, position[:, None], axis=1)[:, 0]
    return sequences.force(logits, only, _is_forced(p, history))


def _draw(logits: jax.Array, p: SamplingArrays, stochastic: jax.Array, position: jax.Array) -> jax.Array:
    """Temperature, truncation and the draw itself: int32 [B], for the rows that are `stochastic`, bool [B]."""
    coin_keys, draw_keys = step_keys(p.key, position)
    # From the largest down, so that a small temperature neither overflows nor rounds the noise of the draw away.
    logits = (logits - logits.max(-1, keepdims=True)) / jnp.where(stochastic, p.temperature, 1.0)[:, None]
    least = jnp.full(stochastic.shape, -jnp.inf)
    keeping: list[Bound] = [
        (p.top_k > 0, lambda x: truncation.top_k(x, p.top_k)),
        (p.top_p < 1, lambda x: truncation.top_p(x, p.top_p)),
        (p.min_p > 0, lambda x: truncation.min_p(x, p.min_p)),
    ]
    for needed, filter_ in keeping:
        least = jnp.maximum(least, _bound(needed & stochastic, filter_, logits, least, -jnp.inf))
    chosen = coin(coin_keys, p.xtc_probability)
    taken = _bound(
        (p.xtc_threshold > 0) & (p.xtc_probability > 0) & stochastic,
        lambda x: truncation.xtc(x, p.xtc_threshold, chosen),
        logits,
        least,
        jnp.inf,
    )
    excluded = (logits >= taken[:, None]) & ~p.is_end
    return gumbel_max(draw_keys, jnp.where((logits >= least[:, None]) & ~excluded, logits, -jnp.inf))


def _bound(
    needed: jax.Array, filter_: Callable[[jax.Array], jax.Array], logits: jax.Array, least: jax.Array, off: float
) -> jax.Array:
    """What a filter says of the logits from `least` on, float32 [B]; `off` where no row has it `needed`."""

    def apply(logits: jax.Array, least: jax.Array) -> jax.Array:
        return filter_(jnp.where(logits >= least[:, None], logits, -jnp.inf))

    return jax.lax.cond(needed.any(), apply, lambda _, least: jnp.full_like(least, off), logits, least)
