"""Which tokens may come next: the whole vocabulary run from one configuration."""

import jax
import jax.numpy as jnp

from backend.grammar.device.lanes import Start, run_lanes
from backend.grammar.device.machine import NOWHERE, min_closing_depth, plain_move, read
from backend.grammar.device.packing import pack, pack_tokens
from backend.grammar.device.text import MIXED, text_room
from backend.grammar.device.vocabulary import NO_TEXT, Vocabulary
from backend.grammar.device.walk import walk

TEXT, FEW, MANY = range(3)
"""What may follow: any text, so that only the tokens with more than text in them are run; tokens with one of a few
beginnings, which are run one by one; or else anything, so that the trie is walked."""


@jax.jit  # so that it is traced once for the programs of all batch sizes
def compute_mask(
    cells: jax.Array, vocabulary: Vocabulary, grammar: jax.Array, start: Start
) -> tuple[jax.Array, jax.Array]:
    """The packed mask of a configuration, uint32 [W], and whether it depended on the window of `start` (bool).

    grammar: int32.
    """
    columns, place = start.columns, start.place
    beginnings, few = _beginnings(cells, vocabulary, columns, place.state)
    ample = start.room >= read(cells, grammar) + vocabulary.openers
    text = jnp.where(ample, text_room(cells, columns, place.state, place.characters, NO_TEXT - 1), MIXED)
    way = jnp.where(text > 0, TEXT, jnp.where(few, FEW, MANY))
    tokens, count = jax.lax.switch(
        way,
        [
            lambda: _padded(vocabulary.other_brackets, vocabulary.lanes),
            lambda: _tokens_of(vocabulary, beginnings),
            lambda: _padded(vocabulary.brackets, vocabulary.lanes),
        ],
    )
    lanes, used = run_lanes(cells, vocabulary, start, tokens, count)
    mask = jax.lax.cond(
        way == FEW,
        lambda: jnp.zeros(vocabulary.words, jnp.uint32),
        lambda: _walked_mask(cells, vocabulary, start, ample, text),
    )
    return mask | pack_tokens(tokens, lanes, vocabulary.words), used


def _walked_mask(
    cells: jax.Array, vocabulary: Vocabulary, start: Start, ample: jax.Array, text: jax.Array
) -> jax.Array:
    """What is allowed without brackets, uint32 [W]: text of at most so many characters and what else is found, or, if
    `text` is not positive, all that is found. ample: bool, the stack takes all that any state needs.
    """
    which = jnp.int32(text > 0)
    states = walk(cells, vocabulary.trie, which, start.columns, start.place, start.depth)

    def text_and_others() -> jax.Array:
        short = vocabulary.text_sizes < jnp.minimum(text + 1, NO_TEXT).astype(jnp.uint8)
        others = read(states, vocabulary.other_trie_places) != NOWHERE
        return pack(short) | pack_tokens(vocabulary.other_tokens, others, vocabulary.words)

    def all_found() -> jax.Array:
        found = read(states, vocabulary.trie_places)
        fits = jax.lax.cond(
            ample, lambda: jnp.ones(found.shape, bool), lambda: min_closing_depth(cells, found) <= start.room
        )
        return pack((found != NOWHERE) & fits)

    return jax.lax.cond(text > 0, text_and_others, all_found)


def _beginnings(
    cells: jax.Array, vocabulary: Vocabulary, columns: jax.Array, state: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Which ranges of tokens may be allowed by their first two bytes, bool [ranges]; and whether they are few tokens.

    The stack and the limit are not looked at: a range too many is no harm.
    """
    first = plain_move(cells, state, columns)[vocabulary.range_firsts]
    second = plain_move(cells, first, columns[jnp.maximum(vocabulary.range_seconds, 0)])
    alive = jnp.where(vocabulary.range_seconds < 0, first, second) != NOWHERE
    return alive, (vocabulary.range_sizes * alive).sum() <= vocabulary.lanes


def _tokens_of(vocabulary: Vocabulary, ranges: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The tokens of the chosen ranges, bool [ranges], one after the other, int32 [lanes], and their number."""
    sizes = vocabulary.range_sizes * ranges
    ends = jnp.cumsum(sizes)
    at = jnp.arange(vocabulary.lanes)
    range_ = jnp.minimum(jnp.searchsorted(ends, at, side="right"), sizes.size - 1)
    token = vocabulary.range_starts[range_] + at - (ends - sizes)[range_]
    return vocabulary.ordered[jnp.clip(token, 0, vocabulary.ordered.size - 1)], ends[-1]


def _padded(tokens: jax.Array, size: int) -> tuple[jax.Array, jax.Array]:
    return jnp.pad(tokens, (0, size - tokens.size)), jnp.int32(tokens.size)
