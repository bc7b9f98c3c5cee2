"""An engine over several processes answers as one process does, and says when one of them has gone."""

import inspect
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from backend.engine.hosts import GIVE_MORE, GIVE_STATE, LeadingRunner, agree
from backend.engine.model_runner import ModelRunner
from tests.compiling import QUICK_FLAGS


@contextmanager
def members(count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """So many processes that are one engine, with a device each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": QUICK_FLAGS, "PYTHONPATH": "."}
    command = [sys.executable, "-m", "tests.backend.engine.member", port, str(count)]
    processes = [
        subprocess.Popen([*command, str(i)], env=environment, stdout=subprocess.PIPE, text=True) for i in range(count)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def said(process: subprocess.Popen[str], beginning: str) -> str:
    """The next line that begins so; there are others, of the library that the processes exchange by."""
    assert process.stdout is not None
    return next((line for line in process.stdout if line.startswith(beginning)), "")


def check(count: int) -> None:
    with members(count) as (leader, *followers):
        found = json.loads(said(leader, "{"))
        assert found["devices"] == count
        for alone, together in zip(found["alone"], found["together"], strict=True):
            assert [[*event[:2], event[3]] for event in alone] == [[*event[:2], event[3]] for event in together]
            logprobs = ([event[2] for event in events if event[2] is not None] for events in (alone, together))
            np.testing.assert_allclose(*logprobs, rtol=1e-4, atol=1e-4)
        followers[-1].kill()
        assert f"process {count - 1} of {count} has gone" in said(leader, "the engine")
        assert [follower.wait(30) for follower in followers[:-1]] == [0] * (count - 2)  # the leader lets them go


@pytest.mark.timeout(450)
def test_two_processes_answer_as_one_does_and_one_says_when_the_other_has_gone() -> None:
    check(2)


@pytest.mark.slow
@pytest.mark.timeout(450)
def test_four_processes_answer_as_one_does_and_end_together() -> None:
    check(4)


def test_every_call_with_the_state_is_told_to_the_followers() -> None:
    calls = {
        name
        for name, method in inspect.getmembers(ModelRunner, inspect.isfunction)
        if "state" in inspect.signature(method).parameters or name == "init_state"
    }
    assert calls == {*GIVE_STATE, *GIVE_MORE} and all(call in vars(LeadingRunner) for call in calls)


def test_options_that_differ_between_processes_are_named() -> None:
    follower = SimpleNamespace(hear=lambda: SimpleNamespace(rows=4, dtype=None))
    with pytest.raises(ValueError, match="--rows is 8 in process 0, and 4 in process 0"):
        agree(follower, SimpleNamespace(rows=8, dtype=None), ("dtype", "rows"))
