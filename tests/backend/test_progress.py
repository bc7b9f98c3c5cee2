"""Whoever reads the log of a start knows what takes long, and how far it is."""

import logging
import sys
import threading

import pytest
from rich.console import Console

from backend import progress


def text(done: int, total: int) -> str:
    return f"{done} of {total} things"


class Waiting(logging.Handler):
    """Keeps messages, and lets a test wait for so many."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.arrived = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self.arrived:
            self.messages.append(record.getMessage())
            self.arrived.notify_all()

    def wait_for(self, part: str) -> None:
        with self.arrived:
            assert self.arrived.wait_for(lambda: any(part in message for message in self.messages), 10)


@pytest.fixture
def handler(monkeypatch):
    handler = Waiting()
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.01)
    level = progress.log.level
    progress.log.setLevel(logging.INFO)
    progress.log.addHandler(handler)
    yield handler
    progress.log.removeHandler(handler)
    progress.log.setLevel(level)


def test_without_a_terminal_a_line_comes_every_few_seconds_even_if_nothing_changes(handler):
    with progress.progress("counting", text) as update:
        update(1, 3)
        handler.wait_for("counting: 1 of 3 things after")
        first = len(handler.messages)
        with handler.arrived:
            assert handler.arrived.wait_for(lambda: len(handler.messages) > first, 10)
        update(3, 3)
    assert "counting: 3 of 3 things in" in handler.messages[-1]


def test_what_takes_no_time_is_one_line(handler, monkeypatch):
    monkeypatch.setattr(progress, "LOG_SECONDS", 60)
    with progress.progress("counting", text) as update:
        for done in range(4):
            update(done, 3)
    assert [message.rpartition(" in ")[0] for message in handler.messages] == ["counting: 3 of 3 things"]


def test_what_fails_has_no_end_and_says_nothing_more(handler):
    with pytest.raises(ValueError, match="wrong"), progress.progress("counting", text) as update:
        update(1, 3)
        raise ValueError("wrong")
    threads = [thread for thread in threading.enumerate() if thread.name == "progress"]
    for thread in threads:
        thread.join(10)
    assert not any(" in " in message for message in handler.messages)


def test_at_a_terminal_it_is_a_bar_and_no_lines_but_the_last(handler, monkeypatch, capsys):
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=sys.stderr, force_terminal=True, width=80))
    with progress.progress("counting", text) as update:
        update(1, 2)
        update(2, 2)
    shown = capsys.readouterr().err
    assert "counting" in shown and "2 of 2 things" in shown
    assert len(handler.messages) == 1
