"""Whose adapter has a slot, over numbers in place of a model: all are served, nobody waits for what is on its way."""

from concurrent.futures import Future
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.engine.adapter_slots import AdapterSlots
from backend.engine.scheduler import Scheduler
from backend.request import RequestFailed
from tests.backend.engine.test_waiting import SIZES, NumbersRunner, Simulation, state_of


@dataclass(eq=False)
class Named:
    """In place of a stored adapter."""

    name: str


class WithSlots(Simulation):
    """slow: adapters that arrive only when `arrive` is called. turns: the adapters of those that were given rows."""

    def __init__(self, slots, slow=()):
        super().__init__()
        self.adapters, self.slow, self.on_their_way = {}, set(slow), {}
        self.placed = []
        self.slots = AdapterSlots(slots, self.fetch, lambda slot, adapter: self.placed.append(adapter.name))
        self.scheduler = Scheduler(NumbersRunner(SIZES), self.slots)
        take = self.scheduler._waiting.take
        self.scheduler._waiting.take = lambda sequence: (self.turns.append(sequence), take(sequence))[1]

    def fetch(self, adapter):
        future = self.on_their_way.setdefault(adapter, Future())
        if adapter.name not in self.slow and not future.done():
            future.set_result(adapter)
        return future

    def arrive(self, name):
        self.on_their_way[self.adapters[name]].set_result(self.adapters[name])

    def ask(self, adapter, choices=1, client=None, **asked):
        state = state_of(client, choices, **asked)
        if adapter is not None:
            state.adapter = self.adapters.setdefault(adapter, Named(adapter))
        total = choices * state.request.sampling.max_tokens
        number = len(self.lengths)
        self.lengths[number] = (0, total)

        def drawn(events):
            self.lengths[number] = (self.lengths[number][0] + len(events), total)

        state.emit = drawn
        self.scheduler.add(state)
        return state

    def order(self):
        return [sequence.parent.adapter and sequence.parent.adapter.name for sequence in self.turns]


crowds = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([None, *"abcdefgh"]), st.integers(1, 4), st.sampled_from("xyz"),
              st.integers(1, 30)),
    min_size=1, max_size=16,
)  # fmt: skip
"""Of each request: rounds after the one before it, adapter, choices, client, tokens of the answer."""


@settings(max_examples=60)
@given(crowd=crowds, slots=st.integers(1, 4))
def test_everybody_is_served_however_few_slots_there_are(crowd, slots):
    simulation = WithSlots(slots)
    for rounds, adapter, choices, client, tokens in crowd:
        for _ in range(rounds):
            simulation.scheduler.step()
        assert simulation.slots.resident <= slots
        simulation.ask(adapter, choices, client, max_tokens=tokens)
    simulation.run()


def test_an_adapter_under_endless_load_lets_another_have_its_turn():
    """Newcomers with "a" come faster than they are served; "b", which came once, waits for those that had rows."""
    simulation = WithSlots(1)
    simulation.ask("a", 4, max_tokens=20)
    simulation.scheduler.step()
    simulation.ask("b")
    for _ in range(40):
        simulation.ask("a", 2, max_tokens=20)
        simulation.scheduler.step()
    assert simulation.order()[:5] == ["a"] * 4 + ["b"]
    simulation.run()


def test_requests_go_on_beside_one_whose_adapter_is_on_its_way():
    simulation = WithSlots(2, slow={"slow"})
    late = simulation.ask("slow")
    for adapter in ("a", None, "a", "b"):
        simulation.ask(adapter)
    while simulation.scheduler.step():
        pass
    assert simulation.order() == ["a", None, "a", "b"]
    simulation.arrive("slow")
    simulation.run()
    assert simulation.order()[-1] == "slow" and late.sequences[0].ended


def test_those_that_were_not_used_for_longest_make_room():
    simulation = WithSlots(2)
    for adapter in ("a", "b", "a", "c", "a", "b"):
        simulation.ask(adapter)
        simulation.run()
    assert simulation.placed == ["a", "b", "c", "b"]


def test_slots_are_not_exchanged_while_rows_use_them():
    simulation = WithSlots(2)
    for adapter in ("a", "b", "c", "d"):
        simulation.ask(adapter, max_tokens=30)
    simulation.scheduler.step()
    assert simulation.order() == ["a", "b"] and simulation.scheduler.running == 2
    simulation.run()
    assert simulation.order() == ["a", "b", "c", "d"] and simulation.placed == ["a", "b", "c", "d"]


def test_an_adapter_that_cannot_be_had_fails_those_that_want_it_alone():
    simulation = WithSlots(2, slow={"gone"})
    failures = []
    state = simulation.ask("gone", 3)
    state.fail = failures.append
    other = simulation.ask("a")
    simulation.scheduler.step()
    simulation.on_their_way[simulation.adapters["gone"]].set_exception(ValueError("changed"))
    while simulation.scheduler.step():
        pass
    assert [type(failure) for failure in failures] == [RequestFailed] and other.sequences[0].ended
    assert "changed" in str(failures[0].__cause__)


def test_without_slots_nothing_is_fetched():
    slots = AdapterSlots()
    assert slots.admits(None) and slots.slot(None) == -1 and slots.resident == 0
    with pytest.raises(AssertionError, match="no slots"):
        slots._fetch(Named("a"))
