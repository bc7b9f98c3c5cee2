"""A process answers, or ends by a limit that is told from other ends. Its module is of the tests: answering.py."""

import os
import signal

import pytest

from handlers.processes.bounded import BoundedProcess, Ended, TimeExceeded

MODULE = "tests.handlers.processes.answering"


@pytest.fixture
def process():
    process = BoundedProcess(MODULE, ["1", str(64 << 20)], seconds=1, wall_seconds=20, most=1 << 20)
    yield process
    process.end()


def test_it_answers_and_what_it_prints_is_no_answer(process):
    for value in ([1, "é"], {"a": None}):
        answer = process.ask(["echo", value], [b"ab", b"c"])
        assert answer.value() == value and answer.rest == b"abc"


def test_who_computes_too_long_is_ended_by_the_system(process):
    with pytest.raises(TimeExceeded, match="more than (1|20) s"):
        process.ask(["compute", None])


def test_who_takes_too_much_memory_notices(process):
    assert process.ask(["allocate", 32 << 20]).value() == "allocated"
    assert process.ask(["allocate", 128 << 20]).value() == "MemoryError"


def test_who_opens_nothing_more_can_open_nothing(process):
    assert process.ask(["open", None]).value() == "opened"
    assert process.ask(["confine", None]).value() == "confined"
    assert process.ask(["open", None]).value() == "OSError"


def test_who_waits_too_long_ends_it():
    process = BoundedProcess(MODULE, ["1", str(64 << 20)], seconds=1, wall_seconds=0.5)
    os.kill(process.id, signal.SIGSTOP)
    with pytest.raises(TimeExceeded, match=r"more than 0\.5 s"):
        process.ask(["echo", 1])


@pytest.mark.parametrize("end", ["kill", "long"])
def test_another_end_is_told_as_such(process, end):
    if end == "kill":
        process.kill()
    with pytest.raises(Ended):
        process.ask([end, 2 << 20])


def test_its_variables_are_those_that_it_is_given(monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    given = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    for environment, secret in ((None, "x"), (given, None)):
        process = BoundedProcess(
            MODULE, ["1", str(64 << 20)], seconds=1, wall_seconds=20, environment=environment
        )  # fmt: skip
        assert process.ask(["variable", "SECRET"]).value() == secret
        process.end()
