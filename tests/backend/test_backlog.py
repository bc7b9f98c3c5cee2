"""When who was refused should come again: by the pace of what ends, one after the other, and not all at once."""

import math

from hypothesis import given
from hypothesis import strategies as st

from backend.backlog import EARLY_SECONDS, LATE_SECONDS, LONGEST_SECONDS, MOST_REMEMBERED, RECENT, Backlog


class Time:
    """A clock that a test moves, and no jitter but the least or the most."""

    def __init__(self, most=False):
        self.now, self.most = 0.0, most

    def backlog(self):
        return Backlog(lambda: self.now, lambda least, most: most if self.most else least)


def busy(time, endings=((1.0, 2),)):
    """A backlog at which so many places have come free, each time so many seconds after the last."""
    backlog = time.backlog()
    backlog.began()
    for seconds, places in endings:
        time.now += seconds
        backlog.ended(places)
    return backlog


@given(
    endings=st.lists(st.tuples(st.floats(0.01, 100), st.integers(1, 128)), max_size=2 * RECENT),
    waited=st.floats(0, 100),
    places=st.integers(1, 1000),
    most=st.booleans(),
)
def test_it_is_as_long_as_so_many_places_took_lately(endings, waited, places, most):
    time = Time(most)
    backlog = busy(time, endings)
    time.now += waited
    recent = endings[-RECENT:]
    seconds = sum(gap for gap, _ in recent) + waited
    expected = seconds * places / sum(count for _, count in recent) if recent else float("inf")
    told = backlog.retry_after("a", places)
    assert 1 <= told <= LONGEST_SECONDS
    least = min(expected, time.now, 39)
    assert least - 1e-6 <= told <= 1.5 * least + 3


def test_without_an_ending_it_is_the_longer_the_longer_there_was_none():
    time = Time()
    backlog = busy(time, ())
    told = []
    for client, now in enumerate((0.1, 10, 30, 500)):
        time.now = now
        told.append(backlog.retry_after(client, 9))
    assert told == [1, 10, 30, 40]


def test_time_without_anything_to_do_is_no_slow_pace():
    time = Time()
    backlog = busy(time, [(1.0, 1)] * 5)
    time.now += 1000
    backlog.began()
    time.now += 1
    backlog.ended()
    assert backlog.retry_after("a", 3) == 1, "no longer than has been seen"
    time.now += 9
    assert backlog.retry_after("b", 1) == 10, "behind a"


def test_each_has_a_moment_behind_those_of_who_was_refused_before_until_it_has_passed():
    time = Time()
    backlog = busy(time, [(2.0, 1)] * 10)
    assert [backlog.retry_after(client, 1) for client in "abc"] == [2, 4, 6]
    assert backlog.retry_after("c", 1) == 8
    time.now += 3 + LATE_SECONDS
    assert backlog.retry_after("d", 1) == math.ceil(25 / 10 * 3), "b and c are to come; 2.5 s per place by now"


def test_who_was_told_to_come_is_expected_about_then_and_may_come_once():
    time = Time()
    backlog = busy(time, [(5.0, 1)])
    assert not backlog.comes("a") and backlog.expected() == 0
    assert backlog.retry_after("a", 1) == 5
    assert not backlog.comes("a") and backlog.expected() == 0
    time.now += 5 - EARLY_SECONDS
    assert backlog.expected() == 1 and not backlog.comes("b")
    assert backlog.comes("a") and not backlog.comes("a") and backlog.expected() == 0
    backlog.retry_after("a", 1)
    time.now += LONGEST_SECONDS
    assert not backlog.comes("a") and backlog.expected() == 0


def test_no_client_makes_others_wait_by_being_refused_often():
    time = Time()
    backlog = busy(time, [(2.0, 1)] * 10)
    for _ in range(3 * MOST_REMEMBERED):
        assert backlog.retry_after("hog", 1) <= LONGEST_SECONDS
    assert backlog.retry_after("neighbour", 1) == 4
    assert len(backlog._expected["hog"]) == MOST_REMEMBERED
    time.now += LONGEST_SECONDS + LATE_SECONDS
    backlog.retry_after("other", 1)
    assert backlog._expected.keys() == {"other"}
