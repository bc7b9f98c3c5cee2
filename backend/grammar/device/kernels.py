"""The part of a decoding step that grammars have, as kernels of a GPU (Pallas, compiled by Triton).

XLA drives loops with an unknown number of iterations from the host there: each iteration costs more than what it
computes. In a kernel a row goes through as many bytes as its token has, and through every token of the vocabulary as
far as its grammar lets it, in parallel; nothing is remembered. On other platforms they are interpreted, for tests.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton as plgpu

from backend.grammar.device.machine import NOWHERE, Place, Top, counting_move, min_closing_depth, move, read, where
from backend.grammar.device.state import DEPTH, GrammarState
from backend.grammar.device.vocabulary import Vocabulary
from backend.target import platform

LANES = 128
"""Tokens that a program runs side by side."""
EVERYWHERE = pl.BlockSpec(memory_space=pl.ANY)


class Stack(NamedTuple):
    """Frames and the items that stand with them, int32 [..., slots], and how many there are, int32 [...]."""

    frames: jax.Array
    items: jax.Array
    height: jax.Array

    def top(self, slots: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The last frame and its items; of an empty stack what stands in the first slot. slots: their numbers."""
        here = slots == jnp.maximum(self.height - 1, 0)[..., None]
        return jnp.where(here, self.frames, 0).sum(-1), jnp.where(here, self.items, 0).sum(-1)

    def after(self, slots: jax.Array, push: jax.Array, pop: jax.Array, frame: jax.Array, items: jax.Array) -> "Stack":
        """With a frame and its items more where `push`, one less where `pop`."""
        pushed = push[..., None] & (slots == self.height[..., None])
        frames, counts = (
            jnp.where(pushed, new[..., None], old) for new, old in ((frame, self.frames), (items, self.items))
        )
        return Stack(frames, counts, self.height + push.astype(jnp.int32) - pop.astype(jnp.int32))


def follow(
    cells: jax.Array, vocabulary: Vocabulary, rows: GrammarState, lengths: jax.Array, offsets: jax.Array
) -> tuple[Place, jax.Array, jax.Array, jax.Array]:
    """The rows after `lengths` bytes from `offsets` on of the spelling, int32 [B] both: place, depth, stack, counts."""
    numbers = [rows.grammar, rows.state, rows.characters, rows.layout, rows.items, rows.depth, lengths, offsets]
    size = rows.state.shape
    shapes = [jax.ShapeDtypeStruct(size, jnp.int32)] * 5 + [jax.ShapeDtypeStruct((*size, DEPTH), jnp.int32)] * 2
    state, characters, layout, items, depth, stack, counts = pl.pallas_call(
        _follow_kernel,
        grid=size,
        in_specs=[EVERYWHERE] * (len(numbers) + 4),
        out_specs=[EVERYWHERE] * len(shapes),
        out_shape=shapes,
        compiler_params=plgpu.CompilerParams(num_warps=1),
        interpret=platform() != "gpu",
        name="grammar_follow",
    )(cells, vocabulary.spelling, *numbers, rows.stack, rows.counts)
    return Place(state, characters, layout, items), depth, stack, counts


class _Loads:
    """Cells inside a kernel, for `machine.read`."""

    def __init__(self, ref: Any) -> None:
        self._ref = ref

    def load(self, at: jax.Array) -> jax.Array:
        """cells[at]."""
        return plgpu.load(self._ref.at[at])


def _follow_kernel(cells_ref: Any, spelling_ref: Any, *refs: Any) -> None:
    """One row."""
    numbers, (stack_ref, counts_ref), outs = refs[:8], refs[8:10], refs[10:]
    row, slots, cells = pl.program_id(0), jnp.arange(DEPTH), _Loads(cells_ref)
    grammar, state, characters, layout, items, depth, length, offset = (plgpu.load(ref.at[row]) for ref in numbers)
    stack = Stack(plgpu.load(stack_ref.at[row, slots]), plgpu.load(counts_ref.at[row, slots]), depth)

    def step(i: jax.Array, carry: tuple[Place, Stack]) -> tuple[Place, Stack]:
        at, stack = carry
        byte = plgpu.load(spelling_ref.at[offset + i]).astype(jnp.int32)
        top = Top(*stack.top(slots), stack.height, DEPTH - stack.height)
        to = move(cells, at, read(cells, grammar + 1 + byte), top)
        return to.place, stack.after(slots, to.push, to.pop, to.frame, at.items)

    start = (Place(state, characters, layout, items), stack)
    at, stack = jax.lax.fori_loop(0, length, step, start)
    for ref, value in zip(outs, (*at, stack.height), strict=False):
        plgpu.store(ref.at[row], value)
    plgpu.store(outs[5].at[row, slots], stack.frames)
    plgpu.store(outs[6].at[row, slots], stack.items)


def masks(cells: jax.Array, vocabulary: Vocabulary, rows: GrammarState, wanted: jax.Array) -> jax.Array:
    """What each row may draw but for end tokens, uint32 [B, W], packed as in packing.py; nothing unless `wanted`."""
    b, words = rows.state.size, vocabulary.words
    numbers = [rows.grammar, rows.state, rows.characters, rows.layout, rows.items, rows.depth]
    numbers = [*numbers, wanted.astype(jnp.int32)]
    lanes = -(-vocabulary.brackets.size // LANES) * LANES
    compiler = plgpu.CompilerParams(num_warps=4)
    call = partial(pl.pallas_call, out_specs=EVERYWHERE, compiler_params=compiler, interpret=platform() != "gpu")
    closers, slots = vocabulary.closers, pl.next_power_of_2(vocabulary.closers + vocabulary.openers + 1)
    bracket_inputs = (vocabulary.spelling, vocabulary.offsets, vocabulary.lengths, vocabulary.brackets)
    brackets = call(
        partial(_bracket_kernel, closers=closers, slots=slots, count=vocabulary.brackets.size),
        grid=(b, lanes // LANES),
        in_specs=[EVERYWHERE] * (len(numbers) + 7),
        out_shape=jax.ShapeDtypeStruct((b, lanes), jnp.int32),
        name="grammar_brackets",
    )(cells, *bracket_inputs, *numbers, rows.stack, rows.counts)
    inputs = (vocabulary.spelling, vocabulary.offsets, vocabulary.lengths, vocabulary.bracket_places)
    found = call(
        partial(_mask_kernel, words=words, tokens=vocabulary.size),
        grid=(b, -(-words // LANES)),
        in_specs=[EVERYWHERE] * (len(numbers) + 6),
        out_shape=jax.ShapeDtypeStruct((b, words), jnp.int32),
        name="grammar_masks",
    )(cells, *inputs, *numbers, brackets)
    return jax.lax.bitcast_convert_type(found, jnp.uint32)


def _bracket_kernel(
    cells_ref: Any,
    spelling_ref: Any,
    offsets_ref: Any,
    lengths_ref: Any,
    brackets_ref: Any,
    *refs: Any,
    closers: int,
    slots: int,
    count: int,
) -> None:
    """LANES of the tokens with brackets, from one row's configuration: 1 where a token is allowed.

    A lane has the last `closers` frames of the row's stack, and room for what its own token pushes.
    """
    numbers, (stack_ref, counts_ref, out_ref) = refs[:7], refs[7:]
    row, cells = pl.program_id(0), _Loads(cells_ref)
    lane = pl.program_id(1) * LANES + jnp.arange(LANES)
    grammar, *place, depth, wanted = (plgpu.load(ref.at[row]) for ref in numbers)
    token = plgpu.load(brackets_ref.at[lane], mask=lane < count, other=0)
    length = jnp.where((lane < count) & (wanted > 0), plgpu.load(lengths_ref.at[token]), 0)
    offset = plgpu.load(offsets_ref.at[token])
    slot = jnp.arange(slots)
    below = depth - closers + slot
    inside = (below >= 0) & (slot < closers)
    below = jnp.where(inside, below, 0)
    window = [plgpu.load(ref.at[row, below], mask=inside, other=0) for ref in (stack_ref, counts_ref)]

    def each(value: jax.Array) -> jax.Array:
        return jnp.broadcast_to(value, (LANES, *jnp.shape(value)))

    def step(i: jax.Array, carry: tuple[Place, Stack]) -> tuple[Place, Stack]:
        at, stack = carry
        going = (i < length) & (at.state != NOWHERE)
        byte = plgpu.load(spelling_ref.at[offset + i], mask=going, other=0).astype(jnp.int32)
        above = stack.height - closers
        top = Top(*stack.top(slot[None]), depth + above, DEPTH - depth - above)
        to = move(cells, at, read(cells, grammar + 1 + byte), top)
        stack = stack.after(slot[None], going & to.push, going & to.pop, to.frame, at.items)
        return where(going, to.place, at), stack

    start = Place(*(each(value) for value in place))
    frames, items = (each(value) for value in window)
    stack = Stack(frames, items, jnp.full(LANES, closers, jnp.int32))
    at, stack = jax.lax.fori_loop(0, length.max(), step, (start, stack))
    fits = min_closing_depth(cells, at.state) <= DEPTH - depth + closers - stack.height
    allowed = (length > 0) & (at.state != NOWHERE) & fits
    plgpu.store(out_ref.at[row, lane], allowed.astype(jnp.int32))


def _mask_kernel(
    cells_ref: Any,
    spelling_ref: Any,
    offsets_ref: Any,
    lengths_ref: Any,
    bracket_places_ref: Any,
    *refs: Any,
    words: int,
    tokens: int,
) -> None:
    """LANES words of one row's mask, plane by plane: a plane has a token for each word."""
    numbers, (brackets_ref, out_ref) = refs[:7], refs[7:]
    row, cells = pl.program_id(0), _Loads(cells_ref)
    word = pl.program_id(1) * LANES + jnp.arange(LANES)
    grammar, *place, depth, wanted = (plgpu.load(ref.at[row]) for ref in numbers)
    start = Place(*(jnp.broadcast_to(value, (LANES,)) for value in place))

    def plane(bit: jax.Array, found: jax.Array) -> jax.Array:
        token = bit * words + word
        there = (word < words) & (token < tokens)
        bracket = plgpu.load(bracket_places_ref.at[token], mask=there, other=-1)
        length = plgpu.load(lengths_ref.at[token], mask=there & (bracket < 0), other=0)
        offset = plgpu.load(offsets_ref.at[token], mask=there, other=0)

        def going(i: jax.Array, at: Place) -> jax.Array:
            return (i < length) & (at.state != NOWHERE)

        def step(carry: tuple[jax.Array, Place]) -> tuple[jax.Array, Place]:
            i, at = carry
            go = going(i, at)
            byte = plgpu.load(spelling_ref.at[offset + i], mask=go, other=0).astype(jnp.int32)
            to = counting_move(cells, at, depth, read(cells, grammar + 1 + byte))
            return i + 1, where(go, to, at)

        def any_going(carry: tuple[jax.Array, Place]) -> jax.Array:
            return going(*carry).astype(jnp.int32).max() > 0

        _, at = jax.lax.while_loop(any_going, step, (jnp.int32(0), start))
        fits = min_closing_depth(cells, at.state) <= DEPTH - depth
        allowed = (length > 0) & (at.state != NOWHERE) & fits
        with_brackets = plgpu.load(brackets_ref.at[row, jnp.maximum(bracket, 0)], mask=bracket >= 0, other=0)
        return found | ((allowed.astype(jnp.int32) | with_brackets) << bit)

    found = jax.lax.fori_loop(0, 32 * wanted, plane, jnp.zeros(LANES, jnp.int32))
    plgpu.store(out_ref.at[row, word], found, mask=word < words)
