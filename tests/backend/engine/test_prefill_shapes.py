"""Which programs a prompt goes through: the cheapest calls, by brute force and in a running engine."""

from itertools import combinations_with_replacement

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.engine.config import EngineConfig
from backend.engine.prefill_shapes import SHAPES, WEIGHTS, Shape, cheapest, cost
from backend.engine.request_state import RequestState
from backend.engine.scheduler import Scheduler
from tests.backend.engine.conftest import VOCAB, request
from tests.backend.engine.scenarios import FREE, LENGTH, recorded, varied

SERVED, READING = EngineConfig(4096, pages=256).prefill_shapes, EngineConfig.weight_tokens
SOME = st.sampled_from((SERVED, SHAPES["gpu"], FREE.prefill_shapes, ((1, 16), (2, 48), (1, 128)), ((1, 32),)))


@given(shapes=SOME, tokens=st.integers(1, 300), weights=st.sampled_from(sorted(set(WEIGHTS.values()))))
def test_no_other_calls_are_cheaper(shapes: tuple[Shape, ...], tokens: int, weights: int) -> None:
    longest = shapes[-1][1]
    calls, rest = [], tokens
    while rest > 0:
        calls.append(cheapest(shapes, rest, weights)[1])
        rest -= calls[-1][1]
    rest = tokens - max(0, (tokens - 1) // longest * longest)
    alone = [shape for shape in shapes if shape[0] == 1]
    covers = (
        some
        for count in range(1, rest // alone[0][1] + 2)
        for some in combinations_with_replacement(alone, count)
        if sum(size for _, size in some) >= rest
    )
    least = min(sum(cost(shape, weights) for shape in some) for some in covers)
    least += (tokens - rest) // longest * cost((1, longest), weights)
    assert sum(cost(shape, weights) for shape in calls) == cheapest(shapes, tokens, weights)[0] == least


@pytest.mark.parametrize("platform", SHAPES)
def test_what_is_served_makes_a_valid_engine_everywhere(platform) -> None:
    """One row first and last, and no program whose tokens cost much less than reading the weights."""
    shapes, weights = SHAPES[platform], WEIGHTS[platform]
    assert EngineConfig(4096, pages=256, prefill_shapes=shapes, weight_tokens=weights).chunk == shapes[-1][1]
    assert shapes[0][1] >= weights / 2


def test_a_prompt_as_long_as_any_context_is_planned() -> None:
    assert cheapest(SERVED, 10_000_000, READING)[1] == SERVED[-1]


@settings(max_examples=20)
@given(lengths=st.lists(st.integers(2, LENGTH - 1), min_size=1, max_size=4))
def test_prompts_cost_no_more_together_than_one_by_one(small, lengths: list[int]) -> None:
    runner, calls = recorded(varied(small))
    scheduler = Scheduler(runner)
    for start, length in enumerate(lengths):
        prompt = [(start + i * i) % VOCAB for i in range(length)]
        scheduler.add(RequestState(request(prompt, max_tokens=1), emit=lambda _: None, fail=_raise))
    while scheduler.step():
        pass
    paid = sum(cost(call.shape, READING) for call in calls if call.shape is not None)
    one_by_one = sum(cheapest(FREE.prefill_shapes, length - 1, READING)[0] for length in lengths)
    assert paid <= one_by_one
    assert len(lengths) > 1 or paid == one_by_one


def test_short_prompts_share_what_a_running_stream_may_be_delayed_by(small) -> None:
    runner, calls = recorded(varied(small, prefill_shapes=((1, 8), (1, 32)), max_steps=2))
    scheduler = Scheduler(runner)
    scheduler.add(RequestState(request([5], max_tokens=50), emit=lambda _: None, fail=_raise))
    scheduler.step()
    for first in range(3):
        scheduler.add(RequestState(request([first] * 9, max_tokens=2), emit=lambda _: None, fail=_raise))
    calls.clear()
    scheduler.step()
    assert [call.shape for call in calls] == [(1, 8)] * 3 + [None]


def _raise(error: Exception) -> None:
    raise error
