"""Whose turn it is, by an oracle that keeps the whole history; and what a client waits for beside others at most."""

from collections import Counter
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from backend.engine.config import EngineConfig
from backend.engine.request_state import RequestState
from backend.engine.scheduler import Scheduler
from backend.engine.waiting import PrefillTurns, WaitingLine
from backend.grammar import Grammar
from tests.backend.engine.conftest import request

CLIENTS = ["a", "b", "c", None]
SIZES = EngineConfig(
    64, pages=256, page_tokens=4, row_buckets=(1, 4), prefill_shapes=((1, 8), (3, 8), (1, 32)), max_steps=4
)


def state_of(client, choices=1, grammar=None, prompt=(1, 2, 3), max_tokens=10, emit=lambda _: None):
    asked = request(list(prompt), tuple(range(choices)), grammar=grammar, max_tokens=max_tokens)
    return RequestState(replace(asked, client=client), emit, _raise)


def _raise(error):
    raise error


class Line(RuleBasedStateMachine):
    """A line and four rows. The oracle knows who came, had a turn and was preempted, in which order, and no more."""

    def __init__(self):
        super().__init__()
        self.ticks = count()
        self.line = WaitingLine(self.ticks)
        self.waiting, self.rows, self.compiling = [], [], []
        self.history = []
        """(what happened, to which sequence)"""

    @rule(client=st.sampled_from(CLIENTS), choices=st.integers(1, 3), compiles=st.booleans())
    def come(self, client, choices, compiles):
        tables = Future()
        state = state_of(client, choices, Grammar("g", tables) if compiles else None)
        self.compiling += [tables] if compiles else []
        self.line.add(state.sequences)
        for sequence in state.sequences:
            self.history += [] if self.is_there(client) else [("came", sequence)]
            self.waiting.append(sequence)

    @precondition(lambda self: self.compiling)
    @rule()
    def compile(self):
        self.compiling.pop(0).set_result(None)
        for sequence in self.waiting + self.rows:
            sequence.parent.poll_grammar()

    @precondition(lambda self: self.waiting and len(self.rows) < 4)
    @rule()
    def take(self):
        sequence = self.following()
        assert self.line.next(self.held()) is sequence
        self.line.take(sequence)
        self.waiting.remove(sequence)
        self.rows.append(sequence)
        self.history.append(("turn", sequence))

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def leave_a_row(self, data):
        sequence = self.rows.pop(data.draw(st.integers(0, len(self.rows) - 1)))
        if data.draw(st.booleans()):
            self.line.add([sequence])
            there = self.is_there(sequence.request.client)
            self.history.append(("preempted" if there else "preempted alone", sequence))
            self.waiting.append(sequence)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave_the_line(self, data):
        sequence = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        self.line.remove(sequence)

    @invariant()
    def the_next_is_whose_turn_it_is(self):
        assert self.line.next(self.held()) is self.following()
        assert set(self.line) == set(self.waiting) and len(self.line) == len(self.waiting)
        assert all(sequence in self.line for sequence in self.waiting)
        assert not any(sequence in self.line for sequence in self.rows)

    def is_there(self, client):
        return any(sequence.request.client == client for sequence in self.waiting)

    def held(self):
        return Counter(sequence.request.client for sequence in self.rows)

    def following(self):
        """By elimination, one rule after the other."""
        left = [s for s in self.waiting if s.parent.compiled] or self.waiting
        if not left:
            return None
        held = self.held()
        fewest = min(held[s.request.client] for s in left)
        left = [s for s in left if held[s.request.client] == fewest]
        clients = {s.request.client: self.since(s.request.client) for s in left}
        client = min(clients, key=clients.get)
        left = [s for s in left if s.request.client == client]
        begun = [s for s in left if s.turn is not None]
        if begun:
            return min(begun, key=self.first_turn)
        return min(left, key=lambda s: (s.parent.arrival, s.choice))

    def since(self, client):
        """The moment of the client's last turn or arrival; of the first turn of one that was preempted since."""
        moment = None
        for now, (event, sequence) in enumerate(self.history):
            if sequence.request.client != client:
                continue
            first = self.first_turn(sequence) if event.startswith("preempted") else now
            moment = min(moment, first) if event == "preempted" else first
        return moment

    def first_turn(self, sequence):
        return next(now for now, (event, s) in enumerate(self.history) if event == "turn" and s is sequence)


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=100, stateful_step_count=40)


class NumbersRunner:
    """In place of a model: every row draws the token 1 until it has all of its tokens. Counts what is asked of it.

    prefilled: the client of each chunk, for every call of a prefill program. log: called with the decode calls so far.
    """

    def __init__(self, config):
        self.config, self.left = config, np.zeros(config.rows, int)
        self.arena = SimpleNamespace(acquire=lambda key, tables: None, release=lambda key: None)
        self.prefilled = []

    def init_state(self):
        return self

    def row_state(self, asked, choice, output=(), placed=None):
        return asked.sampling.max_tokens - len(output)

    def admit(self, state, row, start):
        self.left[row] = start
        return self

    def move_row(self, state, source, target):
        self.left[target] = self.left[source]
        return self

    def copy_page(self, state, source, target):
        return self

    def prefill(self, state, shape, chunks):
        self.prefilled.append([chunk.tokens[0] for chunk in chunks])
        return self, None

    def decode(self, state, page_table, active, steps, stop_on_finish, slots):
        drawn = np.where(active, np.minimum(self.left[: active.size], steps), 0)
        self.left[: active.size] -= drawn
        no = np.zeros(active.size, bool)
        done = active & (self.left[: active.size] == 0)
        return self, SimpleNamespace(tokens=np.ones((active.size, steps), int), count=drawn, done=done, complete=no,
                                     failed=no, steps=np.array([steps]))  # fmt: skip


class Simulation:
    """A scheduler over numbers. turns: the sequences that were given rows, in order, and preempted ones again."""

    def __init__(self, config=SIZES):
        self.runner = NumbersRunner(config)
        self.scheduler = Scheduler(self.runner)
        self.turns, self.lengths = [], {}
        line = self.scheduler._waiting
        take = line.take
        line.take = lambda sequence: (self.turns.append(sequence), take(sequence))[1]

    def submit(self, client, choices, **asked):
        state = state_of(client, choices, emit=partial(self._drawn, len(self.lengths)), **asked)
        self.lengths[len(self.lengths)] = (0, choices * state.request.sampling.max_tokens)
        self.scheduler.add(state)
        return state

    def _drawn(self, number, events):
        drawn, wanted = self.lengths[number]
        self.lengths[number] = (drawn + len(events), wanted)

    def run(self):
        """To the end; nobody may be left."""
        for _ in range(20_000):
            if not self.scheduler.step() and not self.scheduler.running:
                assert not self.scheduler.waiting and self.scheduler.pages_used == 0
                assert all(drawn == wanted for drawn, wanted in self.lengths.values())
                return
        raise AssertionError("it goes on for ever")


arrivals = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from("abcde"), st.integers(1, 6), st.integers(1, 40), st.integers(1, 20)),
    min_size=1, max_size=12,
)  # fmt: skip
"""Of each request: rounds after the one before it, client, choices, tokens of the prompt, tokens of the answer."""


@settings(max_examples=150)
@given(arrivals=arrivals)
def test_who_holds_no_row_waits_for_at_most_one_choice_of_each_other_client(arrivals):
    simulation = Simulation()
    scheduler, passed = simulation.scheduler, {}
    take = scheduler._waiting.take

    def watched(sequence):
        """passed: of each client that waits without a row, who has had a turn meanwhile."""
        client = sequence.request.client
        holding = {s.request.client for s in scheduler._rows.holders()}
        waiting = {s.request.client for s in scheduler._waiting}
        for other in waiting - holding:
            passed.setdefault(other, Counter())
        for other in list(passed):
            if other in holding or other not in waiting or other == client:
                del passed[other]
            else:
                passed[other][client] += 1
                assert passed[other][client] <= 1
        take(sequence)

    scheduler._waiting.take = watched
    for number, (pause, client, choices, prompt, length) in enumerate(arrivals):
        for _ in range(pause):
            scheduler.step()
        simulation.submit(client, choices, prompt=[number] * prompt, max_tokens=length)
    simulation.run()
    assert scheduler.totals.preemptions == 0


@settings(max_examples=100)
@given(arrivals=arrivals, pages=st.integers(16, 40), deterministic=st.booleans())
def test_everybody_is_served_however_few_pages_there_are(arrivals, pages, deterministic):
    exact = {"deterministic": True, "prefill_shapes": ((1, 8),)} if deterministic else {}
    simulation = Simulation(replace(SIZES, pages=pages, **exact))
    for number, (pause, client, choices, prompt, length) in enumerate(arrivals):
        for _ in range(pause):
            simulation.scheduler.step()
        simulation.submit(client, choices, prompt=[number] * prompt, max_tokens=length)
    simulation.run()


def test_where_whose_turn_it_is_has_no_pages_the_first_of_all_goes_on():
    simulation = Simulation(replace(SIZES, context=80, pages=20))
    for number, client in enumerate("abc"):
        simulation.submit(client, 1, prompt=[number] * 70, max_tokens=5)
    simulation.run()


@pytest.mark.parametrize("neighbours", [1, 3])
def test_a_client_with_many_choices_delays_each_neighbour_by_one_of_them(neighbours):
    simulation = Simulation()
    for number in range(12):
        simulation.submit("hog", 4, prompt=[number] * 30, max_tokens=30)
    for _ in range(20):
        simulation.scheduler.step()
    for number in range(neighbours):
        simulation.submit(f"neighbour {number}", 1, prompt=[50 + number] * 30, max_tokens=5)
    before = len(simulation.turns)
    simulation.run()
    after = [sequence.request.client for sequence in simulation.turns[before:]]
    assert after[: neighbours + 1].count("hog") <= 1 and len(set(after[: neighbours + 1]) - {"hog"}) == neighbours


def test_within_a_client_who_came_first_is_first():
    simulation = Simulation()
    states = [simulation.submit("a", 3, prompt=[number] * 5, max_tokens=3 + number % 4) for number in range(6)]
    simulation.run()
    assert simulation.turns == [sequence for state in states for sequence in state.sequences]


def test_new_clients_without_end_do_not_keep_out_a_second_choice():
    simulation = Simulation()
    both = simulation.submit("a", 2, prompt=[1, 2, 3], max_tokens=30)
    for number in range(200):
        simulation.submit(f"new {number}", 1, prompt=[number] * 3, max_tokens=8)
        simulation.scheduler.step()
    assert all(sequence.ended for sequence in both.sequences)
    simulation.run()


def test_a_short_prompt_waits_for_one_chunk_of_those_that_hold_rows_already():
    simulation = Simulation(replace(SIZES, context=400, pages=400))
    for number in range(3):
        simulation.submit("hog", 1, prompt=[number] * 300, max_tokens=2)
    simulation.scheduler.step()
    simulation.submit("neighbour", 1, prompt=[9] * 30, max_tokens=2)
    before = len(simulation.runner.prefilled)
    simulation.scheduler.step()
    simulation.scheduler.step()
    assert [9] in simulation.runner.prefilled[before : before + 2]
    simulation.run()


def test_clients_without_a_row_have_no_turn_of_prefill_left_behind():
    ticks = count()
    line, turns = WaitingLine(ticks), PrefillTurns(ticks)
    held = [state_of(client).sequences[0] for client in "ab"]
    line.add(held)
    for sequence in held:
        line.take(sequence)
    assert turns.in_turn(held) == held
    turns.note(held[:1], held)
    assert turns.in_turn(held) == held[::-1]
    turns.note(held[1:], held[1:])
    assert turns._last.keys() == {"b"}
