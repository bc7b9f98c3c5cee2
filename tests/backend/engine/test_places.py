"""How many places one client may take, by brute force; and that one more client always finds some."""

import heapq
import itertools
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.backlog import Backlog
from backend.engine.places import Places, most_together
from backend.request import QueueFull

CLIENTS = ["a", "b", "c", None]


def places_of(size):
    """At a time that stands still, so that whoever is refused is expected at once."""
    return Places(size, Backlog(lambda: 0.0, lambda least, most: least))


def allowed(size, taken, client, count, kept=0):
    free = size - taken.total() - count
    return free >= kept and (taken[client] == 0 or taken[client] + count <= 3 * free)


@given(
    size=st.integers(1, 60),
    steps=st.lists(st.tuples(st.sampled_from(CLIENTS), st.integers(1, 20), st.booleans()), max_size=60),
)
def test_a_client_has_at_most_three_times_as_many_as_stay_free_and_who_was_refused_goes_first(size, steps):
    places, taken, told, requests = places_of(size), Counter(), Counter(), []
    for client, count, ends in steps:
        if ends and requests:
            client, count = requests.pop(0)
            places.give_back(client, count)
            taken[client] -= count
            continue
        kept = 0 if told[client] else min(len(+told), size // 4)
        told[client] -= bool(told[client])
        if allowed(size, taken, client, count, kept):
            places.take(client, count)
            taken[client] += count
            requests.append((client, count))
        else:
            told[client] += 1
            with pytest.raises(QueueFull):
                places.take(client, count)


@given(size=st.integers(1, 60), client=st.sampled_from(CLIENTS), count=st.integers(1, 20), kept=st.integers(0, 15),
       taken=st.lists(st.tuples(st.sampled_from(CLIENTS), st.integers(1, 20)), max_size=10))  # fmt: skip
def test_what_is_lacking_is_as_many_as_must_be_given_back_of_its_own_first(size, taken, client, count, kept):
    places, held = places_of(size), Counter()
    for other, many in taken:
        if allowed(size, held, other, many):
            places.take(other, many)
            held[other] += many
    told = places._lacking(client, count, kept)
    own = held[client]
    lacking = 0
    while not allowed(size, held, client, count, kept) and lacking < own - 1:
        held[client] -= 1
        lacking += 1
    if allowed(size, held, client, count, kept):
        assert told == lacking
    else:
        assert told >= lacking


def fill(places, client):
    """How many single choices a client gets."""
    taken = 0
    try:
        while True:
            places.take(client, 1)
            taken += 1
    except QueueFull:
        return taken


def test_a_client_alone_gets_three_quarters_and_each_other_finds_some():
    hours = itertools.count()
    places = Places(1024, Backlog(lambda: 3600.0 * next(hours), lambda least, most: least))  # nobody comes again
    assert fill(places, "hog") == 768
    assert [fill(places, client) for client in range(4)] == [192, 48, 12, 3]


def test_a_place_that_comes_free_is_for_who_was_told_to_come_for_it():
    now = [0.0]
    places = Places(8, Backlog(lambda: now[0], lambda least, most: least))
    for client in range(8):
        places.take(client, 1)
    now[0] = 2.0
    with pytest.raises(QueueFull) as refusal:
        places.take("patient", 1)
    assert refusal.value.retry_after == 2
    now[0] = 3.9
    places.give_back(0, 1)
    with pytest.raises(QueueFull):
        places.take(0, 1)
    now[0] = 4.0
    places.take("patient", 1)
    now[0] = 10.0
    places.give_back(1, 1)
    places.take(1, 1)  # nobody is expected any more


@pytest.mark.parametrize("seed", range(3))
def test_obedient_clients_are_all_served_beside_those_that_ask_again_at_once(seed):
    """200 clients, each of which asks again as soon as it is answered, for 64 places of 4 s: 12.5 s of work a round."""
    now, drawn = [0.0], random.Random(seed)
    places = Places(64, Backlog(lambda: now[0], drawn.uniform))
    served = Counter()
    events = [(0.0, client, "asks") for client in range(200)]
    while events[0][0] < 60:
        now[0], client, what = heapq.heappop(events)
        later = now[0] + drawn.uniform(0, 0.02)
        if what == "ends":
            places.give_back(client, 1)
            heapq.heappush(events, (later, client, "asks"))
            continue
        try:
            places.take(client, 1)
            served[client] += 1
            heapq.heappush(events, (now[0] + drawn.uniform(2, 6), client, "ends"))
        except QueueFull as refusal:
            heapq.heappush(events, (later + refusal.retry_after, client, "asks"))
    assert len(served) == 200 and served.total() > 800


@pytest.mark.parametrize("size", [1, 3, 16])
def test_who_has_nothing_may_take_all_of_them(size):
    places = places_of(size)
    places.take("a", size)
    with pytest.raises(QueueFull):
        places.take("b", 1)
    places.give_back("a", size)
    places.take("b", size)


def test_when_to_come_again_is_by_the_pace_of_endings():
    now = [0.0]
    places = Places(8, Backlog(lambda: now[0], lambda least, most: least))
    for client in range(8):
        places.take(client, 1)
    now[0] = 6.0
    for client in range(3):
        places.give_back(client, 1)
    places.take("x", 3)
    with pytest.raises(QueueFull) as refusal:
        places.take("y", 4)
    assert refusal.value.retry_after == 6 and "6 s" in str(refusal.value), "8 s, but it is known of 6 only"
    now[0] = 12.0
    with pytest.raises(QueueFull) as refusal:
        places.take("z", 2)
    assert refusal.value.retry_after == 12


@pytest.mark.parametrize("size", range(1, 40))
def test_together_a_client_that_is_alone_takes_so_many_and_no_more(size):
    places, most = places_of(size), most_together(size)
    for _ in range(most):
        places.take("a", 1)
    with pytest.raises(QueueFull):
        places.take("a", 1)
