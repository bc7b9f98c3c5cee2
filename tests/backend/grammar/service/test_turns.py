"""No client holds more than its share, nobody waits for ever, and what is abandoned is dropped."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar.service.turns import Abandoned, Job, Turns


class StandIn:
    def __init__(self):
        self.stopped = 0

    def stop(self):
        self.stopped += 1


def turns_with(workers, share):
    turns = Turns(share)
    for worker in workers:
        turns.give(worker)
    return turns


def waiting(turns, count):
    """Returns once so many jobs wait."""
    while len(turns._waiting) != count:
        threading.Event().wait(0.001)


def finish(turns, job, worker):
    turns.done(job)
    turns.give(worker)


@given(clients=st.lists(st.sampled_from("abc"), min_size=1, max_size=12), workers=st.integers(1, 3))
def test_all_are_served_and_nobody_has_more_than_its_share(clients, workers):
    turns, held, most, lock = turns_with([StandIn() for _ in range(workers)], 1), Counter(), Counter(), threading.Lock()

    def work(client):
        job = Job(client)
        worker = turns.take(job)
        with lock:
            held[client] += 1
            most[client] = max(most[client], held[client])
        with lock:
            held[client] -= 1
        finish(turns, job, worker)

    with ThreadPoolExecutor(len(clients)) as threads:
        list(threads.map(work, clients, timeout=10))
    assert set(most.values()) == {1}
    assert not turns._last


def test_clients_take_turns_however_many_jobs_one_of_them_has():
    worker, order = StandIn(), []
    turns, first = turns_with([worker], 1), Job("a")
    assert turns.take(first) is worker

    def work(client):
        job = Job(client)
        taken = turns.take(job)
        order.append(client)
        finish(turns, job, taken)

    with ThreadPoolExecutor(6) as threads:
        for count, client in enumerate("aaabbc", 1):
            threads.submit(work, client)
            waiting(turns, count)
        finish(turns, first, worker)
    assert order == list("bcabaa")


def test_whoever_is_nobody_may_have_all():
    turns, jobs = turns_with([StandIn(), StandIn()], 1), [Job(), Job()]
    assert len({turns.take(job) for job in jobs}) == 2


def test_what_is_abandoned_is_dropped_where_it_waits_and_stopped_where_it_runs():
    worker, running, idle = StandIn(), Job("a"), Job("b")
    turns = turns_with([worker], 1)
    turns.take(running)
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(turns.take, idle)
        waiting(turns, 1)
        turns.abandon(idle)
        with pytest.raises(Abandoned):
            future.result(5)
    assert not worker.stopped
    turns.abandon(running)
    assert worker.stopped == 1
    finish(turns, running, worker)
    turns.abandon(running)
    assert worker.stopped == 1
    with pytest.raises(Abandoned):
        turns.take(running)


def test_closing_is_an_error_for_all_who_wait_or_come():
    turns = turns_with([], 1)
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(turns.take, Job())
        waiting(turns, 1)
        turns.close()
        with pytest.raises(RuntimeError, match="closed"):
            future.result(5)
    with pytest.raises(RuntimeError, match="closed"):
        turns.take(Job())
