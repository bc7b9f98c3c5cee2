"""Which tokens may come next: the whole vocabulary run from one configuration."""

import jax
import jax.numpy as jnp

from backend.grammar.device.lanes import Start, run_lanes
from backend.grammar.device.machine import NOWHERE, classes_of, need, plain_move, read
from backend.grammar.device.packing import pack, pack_some
from backend.grammar.device.text import text_room
from backend.grammar.device.vocabulary import NO_TEXT, Vocabulary
from backend.grammar.device.walk import walk

TEXT, FEW, MANY = range(3)
"""What may follow: any text, so that only the tokens with more than text in them are run; tokens with one of a few
beginnings, which are run one by one; or else anything, so that the trie is walked."""


def fill(
    cells: jax.Array,
    vocabulary: Vocabulary,
    grammar: jax.Array,
    state: jax.Array,
    characters: jax.Array,
    room: jax.Array,
    window: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """The packed row of a configuration, uint32 [W], and whether it depended on `window` (bool).

    grammar, state, characters, room: int32; `window`: int32 [closers], the last frames of the stack, the top one last.
    """
    places = classes_of(cells, grammar)
    start = Start(state, characters, room, places, window)
    beginnings, few = _beginnings(cells, vocabulary, places, state)
    text = text_room(cells, places, state, characters, NO_TEXT - 1)
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
    ample = room >= read(cells, grammar) + vocabulary.openers
    row = jax.lax.switch(
        way,
        [
            lambda: _text_row(cells, vocabulary, start, ample, text),
            lambda: jnp.zeros(vocabulary.words, jnp.uint32),
            lambda: _walked_row(cells, vocabulary, start, ample),
        ],
    )
    return row | pack_some(tokens, lanes, vocabulary.words), used


def _text_row(cells: jax.Array, vocabulary: Vocabulary, start: Start, ample: jax.Array, room: jax.Array) -> jax.Array:
    """Text of at most `room` characters, and what else is allowed without brackets."""
    states = walk(cells, vocabulary.other_trie, start.places, start.state, start.characters)
    allowed = _fits(cells, read(states, vocabulary.other_places), start.room, ample)
    text = pack(vocabulary.text_sizes < jnp.minimum(room + 1, NO_TEXT).astype(jnp.uint8))
    return text | pack_some(vocabulary.other_tokens, allowed, vocabulary.words)


def _walked_row(cells: jax.Array, vocabulary: Vocabulary, start: Start, ample: jax.Array) -> jax.Array:
    """What is allowed without brackets."""
    states = walk(cells, vocabulary.trie, start.places, start.state, start.characters)
    allowed = jnp.concatenate([_fits(cells, states, start.room, ample), jnp.zeros(1, bool)])
    return pack(read(allowed, vocabulary.places))


def _fits(cells: jax.Array, states: jax.Array, room: jax.Array, ample: jax.Array) -> jax.Array:
    """bool [...], whether a container can still be ended from each state. ample: bool, there is room for any."""
    return jax.lax.cond(ample, lambda: states != NOWHERE, lambda: (states != NOWHERE) & (need(cells, states) <= room))


def _beginnings(
    cells: jax.Array, vocabulary: Vocabulary, places: jax.Array, state: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Which ranges of tokens may be allowed by their first two bytes, bool [ranges]; and whether they are few tokens.

    The stack and the limit are not looked at: a range too many is no harm.
    """
    first = plain_move(cells, state, places)[vocabulary.range_firsts]
    second = plain_move(cells, first, places[jnp.maximum(vocabulary.range_seconds, 0)])
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
