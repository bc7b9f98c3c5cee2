"""The part of a decoding step that grammars have: which tokens are allowed, and where the drawn ones lead."""

from dataclasses import replace

import jax
import jax.numpy as jnp

from backend.grammar.automaton.tables import INDENTED, WIDEST
from backend.grammar.device import kernels, machine, mask_cache
from backend.grammar.device.lanes import Start
from backend.grammar.device.machine import (
    NOWHERE,
    TRAP,
    Place,
    Top,
    character_limit,
    columns_of,
    move,
    plain_move,
    read,
    where,
)
from backend.grammar.device.mask_cache import TokenMaskCache, find, insert, make_room
from backend.grammar.device.packing import pack_tokens, unpack
from backend.grammar.device.state import DEPTH, NO_TOKEN, UNLIMITED, GrammarState
from backend.grammar.device.token_mask import compute_mask
from backend.grammar.device.vocabulary import Vocabulary
from backend.grammar.structural.control import CUT

Carry = tuple[jax.Array, Place, jax.Array, jax.Array, jax.Array]
ALONE = 5
"""Integers of a mask's key without its frames."""


def key_size(vocabulary: Vocabulary) -> int:
    """Integers of a mask's key."""
    return ALONE + 2 * vocabulary.closers


def allowed_tokens(
    cells: jax.Array, vocabulary: Vocabulary, cache: TokenMaskCache | None, rows: GrammarState, active: jax.Array
) -> tuple[TokenMaskCache | None, jax.Array]:
    """Which tokens the rows may draw, uint32 [B, W], packed as in packing.py; what an inactive row gets has no meaning.

    cells: int32 [capacity] of the arena. active: bool [B]. Masks not in the cache are computed and added to it; without
    a cache all are, by kernels of a GPU. End tokens are allowed exactly where the output may end, and where nothing
    else is, so that no row goes astray. Rows without a grammar may draw everything; a row whose budget is used up
    inside reasoning only the next token that ends it.
    """
    forced = active & _forced(cells, rows)
    wanted = active & rows.constrained & ~forced
    if cache is None:
        masks = kernels.masks(cells, vocabulary, rows, wanted)
        masks = _with_ends(cells, rows, wanted, masks)
    else:
        cache = make_room(cache, wanted.size)
        keys, places = _find_masks(cells, vocabulary, cache, rows, wanted)
        cache, places = _compute_missing(cells, vocabulary, cache, rows.grammar, keys, places)
        masks = _gather_masks(cells, cache, rows, wanted, places)
    return cache, jax.lax.cond(forced.any(), lambda: _with_forced(rows, forced, masks), lambda: masks)


def apply_mask(logits: jax.Array, masks: jax.Array) -> jax.Array:
    """The logits float [B, V] with -inf where a token's bit (masks: uint32 [B, W], packed as in packing.py) is 0."""
    return jnp.where(unpack(masks)[:, : logits.shape[1]], logits, -jnp.inf)


def advance(
    cells: jax.Array,
    vocabulary: Vocabulary,
    rows: GrammarState,
    active: jax.Array,
    tokens: jax.Array,
    in_kernels: bool = False,
) -> GrammarState:
    """The rows after drawing `tokens` int32 [B] where `active` bool [B]; end tokens must not be among these.

    in_kernels: by a kernel of a GPU, in place of a loop.
    """
    rows = replace(_count_reasoning(cells, rows, active), state=_cut(cells, rows, active))
    lengths = jnp.where(active & rows.constrained, vocabulary.lengths[tokens], 0)
    offsets = vocabulary.offsets[tokens]
    if in_kernels:
        at, depth, stack, counts = kernels.follow(cells, vocabulary, rows, lengths, offsets)
        return replace(rows, **at._asdict(), depth=depth, stack=stack, counts=counts)

    def body(carry: Carry) -> Carry:
        i, at, depth, stack, counts = carry
        go = i < lengths
        byte = vocabulary.spelling[jnp.where(go, offsets + i, 0)].astype(jnp.int32)
        last = jnp.maximum(depth - 1, 0)[:, None]
        frame, items = (jnp.take_along_axis(entries, last, 1)[:, 0] for entries in (stack, counts))
        to = move(cells, at, read(cells, rows.grammar + 1 + byte), Top(frame, items, depth, DEPTH - depth))
        push, pop = go & to.push, go & to.pop
        pushed = push[:, None] & (jnp.arange(DEPTH) == depth[:, None])
        stack = jnp.where(pushed, to.frame[:, None], stack)
        counts = jnp.where(pushed, at.items[:, None], counts)
        return i + 1, where(go, to.place, at), depth + push - pop, stack, counts

    start = Place(rows.state, rows.characters, rows.layout, rows.items)
    longest = lengths.max()
    _, at, depth, stack, counts = jax.lax.while_loop(
        lambda c: c[0] < longest, body, (jnp.int32(0), start, rows.depth, rows.stack, rows.counts)
    )
    return replace(rows, **at._asdict(), depth=depth, stack=stack, counts=counts)


def may_end(cells: jax.Array, rows: GrammarState) -> jax.Array:
    """bool [B], rows whose output is complete, also where it could go on."""
    return ~rows.constrained | machine.accepting(cells, rows.state, rows.depth)


def finished(cells: jax.Array, rows: GrammarState) -> jax.Array:
    """bool [B], rows whose output is complete and cannot go on."""
    return rows.constrained & machine.finished(cells, rows.state, rows.depth)


def _forced(cells: jax.Array, rows: GrammarState) -> jax.Array:
    """bool [B], rows that must end their reasoning, or have, and must still draw what leads on to the answer."""
    leads_on = (rows.closed > 0) & (_closing_token(rows)[:, 0] != NO_TOKEN)
    return rows.constrained & (rows.budget <= 0) & (leads_on | machine.in_reasoning(cells, rows.state))


def _cut(cells: jax.Array, rows: GrammarState, active: jax.Array) -> jax.Array:
    """The states int32 [B], of rows that now end their reasoning by force where the grammar goes on behind that.

    Nothing is pushed or popped in reasoning. Rows whose grammar goes on in the same way in any case stay.
    """
    begins = active & _forced(cells, rows) & (rows.closed == 0)
    to = plain_move(cells, rows.state, read(cells, rows.grammar + 1 + CUT))
    return jnp.where(begins & (to != NOWHERE) & (to != TRAP), to, rows.state)


def _closing_token(rows: GrammarState) -> jax.Array:
    """int32 [B, 1], which token a row draws next that is forced."""
    return jnp.take_along_axis(rows.closing, rows.closed[:, None], 1)


def _with_forced(rows: GrammarState, forced: jax.Array, masks: jax.Array) -> jax.Array:
    """`masks` uint32 [B, W], but a single token where `forced`."""
    token = jnp.maximum(_closing_token(rows), 0)
    alone = jax.vmap(lambda only: pack_tokens(only, jnp.ones(1, bool), masks.shape[1]))(token)
    return jnp.where(forced[:, None], alone, masks)


def _count_reasoning(cells: jax.Array, rows: GrammarState, active: jax.Array) -> GrammarState:
    """The rows with what a token takes of their budget, before it is followed."""
    forced = _forced(cells, rows)
    spends = active & rows.constrained & ~forced & machine.in_reasoning(cells, rows.state) & (rows.budget < UNLIMITED)
    closed = jnp.where(active, jnp.where(forced, rows.closed + 1, 0), rows.closed)
    return replace(rows, budget=rows.budget - spends, closed=closed)


def _find_masks(
    cells: jax.Array, vocabulary: Vocabulary, cache: TokenMaskCache, rows: GrammarState, wanted: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """The keys of all rows, see `_keys`; the places int32 [B] of their masks in the pool, -1 missing, 0 unwanted."""

    def look_up() -> tuple[jax.Array, jax.Array]:
        keys = _keys(cells, vocabulary, rows)
        return keys, jnp.where(wanted, find(cache, keys).max(-1), 0)

    nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(look_up))
    return jax.lax.cond(wanted.any(), look_up, lambda: nothing)


def _gather_masks(
    cells: jax.Array, cache: TokenMaskCache, rows: GrammarState, wanted: jax.Array, places: jax.Array
) -> jax.Array:
    """What `allowed_tokens` gives, once the masks of all rows are in the cache."""

    def gather() -> jax.Array:
        return _with_ends(cells, rows, wanted, mask_cache.read(cache, places, rows.ends.shape[1]))

    return jax.lax.cond(wanted.any(), gather, lambda: jnp.full_like(rows.ends, ~jnp.uint32(0)))


def _with_ends(cells: jax.Array, rows: GrammarState, wanted: jax.Array, masks: jax.Array) -> jax.Array:
    """`masks` uint32 [B, W] with end tokens where the output may end or must; everything where none is `wanted`."""
    others = masks & ~rows.ends
    ends = machine.accepting(cells, rows.state, rows.depth) | (others == 0).all(-1)
    return jnp.where(wanted[:, None], jnp.where(ends[:, None], others | rows.ends, others), ~jnp.uint32(0))


def _keys(cells: jax.Array, vocabulary: Vocabulary, rows: GrammarState) -> jax.Array:
    """int32 [B, 2, key size]: all that the mask may depend on, without the stack and with its last frames.

    What makes no difference within one token is levelled: registers far below what is watched for, and ample room.
    """
    reach = vocabulary.longest + 1
    limit = character_limit(cells, rows.state, rows.layout, rows.depth)
    remaining = jnp.where(limit > 0, jnp.minimum(limit - rows.characters, reach), 0)
    room = jnp.minimum(DEPTH - rows.depth, read(cells, rows.grammar) + vocabulary.openers)
    depth = jnp.where(rows.layout >= INDENTED, rows.depth, 0)
    items = _levelled(rows.items, read(cells, rows.state + 2), reach)
    at = rows.depth[:, None] - vocabulary.closers + jnp.arange(vocabulary.closers)
    frames, counts = (
        jnp.where(at >= 0, jnp.take_along_axis(entries, jnp.maximum(at, 0), 1), 0)
        for entries in (rows.stack, rows.counts)
    )
    counts = _levelled(counts, jnp.where(frames > 0, read(cells, frames + 1), 0), reach)
    window = jnp.concatenate([frames, counts], -1)
    where_ = [rows.serial, rows.state, remaining * (DEPTH + 1) + room, depth * (WIDEST + 1) + rows.layout, items]
    configuration = jnp.stack(where_, -1)
    alone = jnp.concatenate([configuration, jnp.zeros_like(window)], -1)
    return jnp.stack([alone, jnp.concatenate([configuration, window], -1)], 1)


def _levelled(items: jax.Array, watch: jax.Array, reach: int) -> jax.Array:
    """A count of items int32 [...], the same for all from which no token gets to the count that is watched for."""
    return jnp.where(watch > 0, jnp.maximum(items, watch - reach), 0)


def _compute_missing(
    cells: jax.Array,
    vocabulary: Vocabulary,
    cache: TokenMaskCache,
    grammars: jax.Array,
    keys: jax.Array,
    places: jax.Array,
) -> tuple[TokenMaskCache, jax.Array]:
    """Compute the masks whose place int32 [B] is -1; the cache with them, and all places."""

    def body(carry: tuple[TokenMaskCache, jax.Array]) -> tuple[TokenMaskCache, jax.Array]:
        # Without the barrier the mask of the only row of a batch is loop-invariant: hoisted out, done at every step.
        (cache, places), key_of, grammar_of = jax.lax.optimization_barrier((carry, keys, grammars))
        missing = places < 0
        first = jnp.argmax(missing)
        mask, stack_used = _compute_for_key(cells, vocabulary, grammar_of[first], key_of[first, 1])
        own = jnp.where(stack_used, keys[:, 1], keys[:, 0])
        cache, place = insert(cache, own[first], mask)
        return cache, jnp.where(missing & (own == own[first]).all(-1), place, places)

    return jax.lax.while_loop(lambda c: (c[1] < 0).any(), body, (cache, places))


def _compute_for_key(
    cells: jax.Array, vocabulary: Vocabulary, grammar: jax.Array, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """`compute_mask` for a key with its frames."""
    state, remaining, room = key[1], key[2] // (DEPTH + 1), key[2] % (DEPTH + 1)
    depth, layout = key[3] // (WIDEST + 1), key[3] % (WIDEST + 1)
    limit = character_limit(cells, state, layout, depth)
    characters = jnp.where(remaining > 0, limit - remaining, 0)
    window, counts = key[ALONE : ALONE + vocabulary.closers], key[ALONE + vocabulary.closers :]
    place = Place(state, characters, layout, key[4])
    start = Start(place, depth, room, columns_of(cells, grammar), window, counts)
    return compute_mask(cells, vocabulary, grammar, start)
