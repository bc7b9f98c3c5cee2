"""What the scheduler does next, and what it did and has not seen the outcome of."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import jax

from backend.engine.chunks import PrefillChunk
from backend.engine.config import EngineConfig
from backend.engine.prefill_shapes import Shape, cheapest, cost, padded
from backend.engine.request_state import RequestState, SequenceState
from backend.engine.state import Block


@dataclass(frozen=True)
class Plan:
    """What is to be done next. demand: for how many positions each sequence needs pages.

    shape: (rows, tokens) of the prefill program that is to run, None for none.
    """

    demand: dict[SequenceState, int]
    shape: Shape | None = None


@dataclass(frozen=True)
class InFlight:
    """A block of decoding steps that was dispatched and not read yet.

    holders: row of the block to the sequence that it is of. tokens: most tokens of one row. dispatched: when, in
    monotonic seconds.
    """

    block: Block
    holders: dict[int, SequenceState]
    tokens: int
    dispatched: float

    def read(self) -> Block:
        """The block as numpy arrays, once the device has it; log-probabilities only if somebody wants them."""
        with_logprobs = any(sequence.request.top_logprobs is not None for sequence in self.holders.values())
        names = ("tokens", "count", "done", "complete", "failed", "steps") + (
            ("logprobs", "top_ids", "top_logprobs") if with_logprobs else ()
        )
        host = jax.device_get({name: getattr(self.block, name) for name in names})
        return Block(**{name: host.get(name) for name in Block.__dataclass_fields__})


def to_prefill(holders: Iterable[SequenceState]) -> list[SequenceState]:
    """Of those who hold rows, in order; of the sequences of a request, one prefills the prompt for all."""
    waiting: set[RequestState] = set()
    work = []
    for sequence in holders:
        first = bool(sequence.num_output_tokens) or sequence.parent not in waiting
        if not sequence.num_output_tokens:
            waiting.add(sequence.parent)
        if first and sequence.num_uncomputed:
            work.append(sequence)
    return work


def plan_prefill(work: Sequence[SequenceState], config: EngineConfig, room: int) -> Plan:
    """A program of at most `room` tokens, and whose it takes: the first's, with others' where that costs less."""
    if not work:
        return Plan({})
    first = work[0]
    shapes = config.scorings if first.is_scored else config.prefills
    work = [sequence for sequence in work if sequence.is_scored == first.is_scored]
    weights = config.weight_tokens
    shape, group = _shape_for(first, shapes, weights), [first]
    for other in shapes:
        fitting = [sequence for sequence in work if sequence.num_uncomputed <= other[1]][: other[0]]
        alone = sum(cheapest(shapes, sequence.num_uncomputed, weights)[0] for sequence in fitting)
        if first in fitting and cost(other, weights) < alone:
            shape, group = other, fitting
            break
    if padded(shape) > room:
        return Plan({})
    return Plan({sequence: _end(sequence, shape) for sequence in group}, shape)


def filled(plan: Plan, others: Iterable[Sequence[SequenceState]]) -> Plan:
    """The same program for other groups as well, which would compute nothing meanwhile; scoring takes one sequence.

    others: what is to be prefilled in each other group, in order.
    """
    if plan.shape is None or any(sequence.is_scored for sequence in plan.demand):
        return plan
    demand, rows = dict(plan.demand), plan.shape[0]
    for work in others:
        fitting = [sequence for sequence in work if not sequence.is_scored]
        taken = [sequence for sequence in fitting if _end(sequence, plan.shape) > sequence.num_computed][:rows]
        demand |= {sequence: _end(sequence, plan.shape) for sequence in taken}
    return Plan(demand, plan.shape)


def _end(sequence: SequenceState, shape: Shape) -> int:
    """Up to which position one call takes of a sequence; where it has computed already if it takes nothing."""
    end = sequence.num_computed + min(sequence.num_uncomputed, shape[1])
    return max(sequence.num_computed, sequence.request.prompt.cut(end))


def _shape_for(sequence: SequenceState, shapes: tuple[Shape, ...], weights: int) -> Shape:
    """Of the call for one sequence alone: the cheapest, unless the next tokens see both ways and need a larger one."""
    usual, start = cheapest(shapes, sequence.num_uncomputed, weights)[1], sequence.num_computed
    if _end(sequence, usual) > start:
        return usual
    needed = sequence.request.prompt.uncut(start + 1) - start
    return next(shape for shape in shapes if shape[0] == 1 and shape[1] >= needed)


def chunk_of(sequence: SequenceState, end: int, adapter: int) -> PrefillChunk:
    """Its tokens up to position `end`, which are not computed yet. adapter: the slot of its adapter, -1 for none."""
    start, tokens, prompt = sequence.num_computed, sequence.tokens, sequence.request.prompt
    return PrefillChunk(
        tokens[start:end],
        start,
        sequence.pages,
        prompt.spans,
        places=None if prompt.places is None else prompt.turned(start, end),
        targets=tokens[start + 1 : end + 1] if sequence.is_scored else (),
        adapter=adapter,
    )
