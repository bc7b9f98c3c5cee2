"""Chat templates are rendered in processes of their own, which the system ends when they take too much.

A template is a program that comes with a checkpoint: nested loops, `'a' * 10**10` and a score of filters take time or
memory without end, most of it in single steps that nothing in the same process could interrupt.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from handlers.text.render_process import EXCEEDED, NAMES, REFUSED, TEXT
from handlers.text.template import RenderingExceeded

MODULE = "handlers.text.render_process"
MOST_PROCESSES = 4
ATTEMPTS = 2
"""A process that somebody else ended is no fault of the template; one that ends twice may be."""


@dataclass(frozen=True)
class RenderingLimits:
    """What one rendering may take.

    seconds: of a processor. memory: bytes, enforced on Linux. characters: of text, beside four for each of the chat's
    JSON. wall_seconds: in which it must have ended, whatever else the machine does.
    """

    seconds: int = 5
    memory: int = 512 << 20
    characters: int = 1 << 20
    wall_seconds: float = 60.0


DEFAULT_LIMITS = RenderingLimits()


class TemplateRefused(ValueError):
    """What a template, or its library, has raised."""


class Renderers:
    """Processes that render, as many as are needed at a time and at most `most`. May be used by any thread."""

    def __init__(self, most: int, limits: RenderingLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._places = threading.Semaphore(most)
        self._idle: list[_Process] = []

    @property
    def processes(self) -> list[int]:
        """The process ids of those that wait for work."""
        return [process.id for process in self._idle]

    def render(self, **arguments: Any) -> str:
        """`transformers.utils.chat_template_utils.render_jinja_template` of one conversation.

        Raises TemplateRefused for what that raises, RenderingExceeded where a limit is passed.
        """
        return self._ask(TEXT, arguments)

    def names(self, sources: Sequence[str]) -> frozenset[str]:
        """Names of the variables that templates read. Raises as `render` does."""
        return frozenset(self._ask(NAMES, list(sources)))

    def _ask(self, kind: str, request: Any) -> Any:
        line = json.dumps([kind, request]).encode() + b"\n"
        with self._places:
            for _ in range(ATTEMPTS):
                process = self._take()
                with suppress(_Ended):
                    kind, value = process.ask(line)
                    break
            else:
                raise RenderingExceeded("the chat template makes the process that renders it crash")
            if kind == EXCEEDED:
                process.end()
                raise RenderingExceeded(f"the chat template takes too much {value}")
            self._idle.append(process)
        if kind == REFUSED:
            raise TemplateRefused(value)
        return value

    def _take(self) -> "_Process":
        with suppress(IndexError):
            return self._idle.pop()
        return _Process(self._limits)


class _Ended(Exception):
    """A process ended, by no limit of its own."""


class _Process:
    """One process, used by one thread at a time."""

    def __init__(self, limits: RenderingLimits) -> None:
        self._limits = limits
        self._late = False
        # Not multiprocessing: its children import the server's main module again, and with it all of the server.
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(limits.seconds), str(limits.memory), str(limits.characters)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # an interrupt at the terminal is for the server, with which it ends
        )

    @property
    def id(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, line: bytes) -> tuple[str, Any]:
        """The answer. Raises RenderingExceeded where it took too long, _Ended where there is none for another cause."""
        assert self._process.stdin is not None and self._process.stdout is not None
        answer = b""
        with self._in_time(), suppress(OSError):
            self._process.stdin.write(line)
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if answer.endswith(b"\n"):
            kind, value = json.loads(answer)
            return kind, value
        self.end()
        if self._process.returncode == -signal.SIGXCPU:
            raise RenderingExceeded(f"the chat template takes too much time: more than {self._limits.seconds} s")
        if self._late:
            message = f"the chat template takes too much time: more than {self._limits.wall_seconds:g} s"
            raise RenderingExceeded(message)
        raise _Ended

    def end(self) -> None:
        """Ends the process, if it has not ended by itself, and waits for its end."""
        assert self._process.stdin is not None and self._process.stdout is not None
        if self._process.stdout.closed:
            return
        with suppress(OSError):
            self._process.stdin.close()
        self._process.stdout.close()
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Ends the process where the block takes longer."""
        timer = threading.Timer(self._limits.wall_seconds, self._time_out)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _time_out(self) -> None:
        self._late = True
        self._process.kill()


@cache
def renderers() -> Renderers:
    """Those of this process."""
    return Renderers(min(MOST_PROCESSES, os.cpu_count() or 1))
