"""Rounds of the scheduler, driven without the engine's thread: none hangs, and nothing changes while one is planned."""

from concurrent.futures import Future
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.engine.model_runner import ModelRunner
from backend.engine.request_state import RequestState
from backend.engine.scheduler import Scheduler
from backend.grammar import Grammar
from backend.request import Prompt, Request, TokenEvent
from tests.backend.engine.conftest import VOCAB, request, tokens
from tests.backend.engine.scenarios import SMALLEST, alone, varied
from tests.backend.engine.test_grammars import CONSTRAINTS, compiled


def run(runner: ModelRunner, requests: list[Request]) -> list[list[TokenEvent]]:
    """The events of requests, ten rounds apart, when the scheduler says that there is nothing left to do."""
    scheduler, received = Scheduler(runner), [[] for _ in requests]
    for asked, events in zip(requests, received, strict=True):
        scheduler.add(RequestState(asked, events.extend, _raise))
        for _ in range(10):
            scheduler.step()
    while scheduler.step():
        pass
    assert (scheduler.running, scheduler.waiting, scheduler.pages_used) == (0, 0, 0)
    return received


def _raise(error: Exception) -> None:
    raise error


def test_who_waits_goes_on_when_all_others_end_in_a_block_that_is_read_for_want_of_pages(small):
    """Two choices, one a step ahead, share 9 of 24 pages of 4; both draw an end token while one asks for a 25th."""
    runner, last = varied(small, pages=SMALLEST, max_steps=1), 24
    asked = request([1, 2, 3, 4] * 10, (0, 1), temperature=1.5, max_tokens=50)
    for first in range(VOCAB):  # until the two tokens that are to end it were not drawn before
        asked = replace(asked, prompt=Prompt((first, *asked.prompt.tokens[1:])))
        (drawn,) = run(runner, [asked])
        choices = [tokens(drawn, 0)[: last + 2], tokens(drawn, 1)[: last + 1]]
        ends = {choice[-1] for choice in choices}
        if not any(ends & set(choice[:-1]) for choice in choices):
            break
    ending = replace(asked, sampling=replace(asked.sampling, end_tokens=tuple(ends)))
    received = run(runner, [ending, request([3] * 50, max_tokens=4)])
    assert [len(events) for events in received] == [2 * last + 3, 4]


class Late(Future):
    """Done when it was asked so often: another thread may complete a future at any moment."""

    def __init__(self, asked: int) -> None:
        super().__init__()
        self.remaining, self.asked = asked, 0

    def done(self) -> bool:
        self.asked += 1
        return self.asked > self.remaining and super().done()


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    moments=st.lists(st.none() | st.integers(0, 40), min_size=6, max_size=6),
    pages=st.integers(SMALLEST, 40),
)
def test_a_grammar_that_is_compiled_in_the_middle_of_a_round_changes_nobodys_tokens(small, lengths, moments, pages):
    def asked(index: int, done: int | None) -> Request:
        tables: Future = Late(done or 0)
        tables.set_result(compiled(CONSTRAINTS[0]))
        prompt = [(index + i * i) % VOCAB for i in range(lengths[index])]
        grammar = None if done is None else Grammar(CONSTRAINTS[0], tables)
        return request(prompt, grammar=grammar, max_tokens=30, end_tokens=(0,))

    requests = [asked(index, moments[index]) for index in range(len(lengths))]
    received = run_until_all_end(varied(small, pages=pages), requests)
    for index, events in enumerate(received):
        ready = asked(index, None if moments[index] is None else 0)
        assert tokens(events) == tokens(alone(varied(small), ready)[0])


def run_until_all_end(runner: ModelRunner, requests: list[Request]) -> list[list[TokenEvent]]:
    """As the engine does it: a grammar that is done later is a command, upon which the scheduler goes on.

    Whether a grammar is done decides who comes first, so each is asked once per round at most.
    """
    scheduler, received = Scheduler(runner), [[] for _ in requests]
    for asked, events in zip(requests, received, strict=True):
        scheduler.add(RequestState(asked, events.extend, _raise))
    futures = [asked.grammar.tables for asked in requests if asked.grammar is not None]
    for _ in range(5000):
        before = [future.asked for future in futures]
        working = scheduler.step()
        assert all(future.asked <= asked + 1 for future, asked in zip(futures, before, strict=True))
        if not working and not scheduler.running and not scheduler.waiting:
            assert scheduler.pages_used == 0
            return received
    raise AssertionError("it goes on for ever")
