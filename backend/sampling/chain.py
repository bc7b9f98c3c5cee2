"""The one order in which logits are shaped and a token is drawn."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from backend import native
from backend.sampling import penalties, sequences, truncation
from backend.sampling.draw import coin, gumbel_max, step_keys
from backend.sampling.params import SamplingArrays

Stage = tuple[jax.Array, Callable[[jax.Array], jax.Array]]
"""One stage of the chain: the rows that need it, bool [B], and a function of all logits, [B, V] -> [B, V]."""


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
    top-k, top-p, min-p, XTC, Gumbel-max. A stage that no active row needs is skipped.
    """
    shaping = _shaping(params, history, position, token_mask)
    stochastic = history.active & (params.temperature > 0)
    # What a branch hands on is copied: rows that want nothing but the likeliest token must not pass through the stages.
    masked, mask = token_mask
    others = stochastic | (history.active & jnp.stack([needed for needed, _ in shaping if needed is not masked]).any(0))
    branches = (
        native.argmax,
        lambda x: native.argmax(mask(x)),
        lambda x: _shape_and_draw(x, shaping, params, history, stochastic, position),
    )
    return jax.lax.switch(
        jnp.where(others.any(), 2, (history.active & masked).any().astype(jnp.int32)), branches, logits
    )


def _shape_and_draw(
    logits: jax.Array,
    shaping: list[Stage],
    p: SamplingArrays,
    history: TokenHistory,
    stochastic: jax.Array,
    position: jax.Array,
) -> jax.Array:
    logits = _run(shaping, history.active, logits)
    tokens = jax.lax.cond(stochastic.any(), lambda x: _draw(x, p, stochastic, position), native.argmax, logits)
    return jnp.where(stochastic, tokens, native.argmax(logits))


def _shaping(p: SamplingArrays, history: TokenHistory, position: jax.Array, token_mask: Stage) -> list[Stage]:
    """Bias, penalties, mask and bans: what holds for greedy rows as well."""
    early, forced = history.num_output_tokens < p.min_tokens, history.num_output_tokens < p.num_forced
    tokens, ngram = history.tokens, jnp.where(history.active, p.no_repeat_ngram, 0)
    return [
        (p.bias.any(-1), lambda x: x + p.bias),
        (
            p.repetition_penalty != 1,
            lambda x: penalties.repetition(x, history.in_prompt | (history.output_counts > 0), p.repetition_penalty),
        ),
        (
            (p.presence_penalty != 0) | (p.frequency_penalty != 0),
            lambda x: penalties.presence_and_frequency(
                x, history.output_counts, p.presence_penalty, p.frequency_penalty
            ),
        ),
        token_mask,
        (early, lambda x: jnp.where(early[:, None] & p.is_end, -jnp.inf, x)),
        (
            p.num_banned > 0,
            lambda x: sequences.ban(x, sequences.completed_sequences(tokens, position, p.banned, x.shape[1])),
        ),
        (ngram > 0, lambda x: sequences.ban(x, sequences.repeated_ngrams(tokens, position, ngram, x.shape[1]))),
        (
            forced,
            lambda x: sequences.force(x, jnp.take_along_axis(tokens, position[:, None], axis=1)[:, 0], forced),
        ),
    ]


def _draw(logits: jax.Array, p: SamplingArrays, stochastic: jax.Array, position: jax.Array) -> jax.Array:
    """Temperature, truncation and the draw itself: int32 [B], for the rows that are `stochastic`, bool [B]."""
    coin_keys, draw_keys = step_keys(p.key, position)
    stages: list[Stage] = [
        (p.top_k > 0, lambda x: truncation.top_k(x, p.top_k)),
        (p.top_p < 1, lambda x: truncation.top_p(x, p.top_p)),
        (p.min_p > 0, lambda x: truncation.min_p(x, p.min_p)),
        (
            (p.xtc_threshold > 0) & (p.xtc_probability > 0),
            lambda x: truncation.xtc(x, p.xtc_threshold, coin(coin_keys, p.xtc_probability), p.is_end),
        ),
    ]
    # From the largest down, so that a small temperature neither overflows nor rounds the noise of the draw away.
    logits = (logits - logits.max(-1, keepdims=True)) / jnp.where(stochastic, p.temperature, 1.0)[:, None]
    return gumbel_max(draw_keys, _run(stages, stochastic, logits))


def _run(stages: list[Stage], rows: jax.Array, logits: jax.Array) -> jax.Array:
    """Apply each (rows that need it, filter) in turn; a filter that none of `rows` needs is skipped."""
    for needed, stage in stages:
        logits = jax.lax.cond((needed & rows).any(), stage, lambda x: x, logits)
    return logits
