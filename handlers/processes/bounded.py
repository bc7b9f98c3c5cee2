"""The side that asks: a process of one's own, ended where it takes too long."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from handlers.processes.frames import Frame, FrameTooLong, read_frame, write_frame


class Ended(Exception):
    """A process ended, by no limit of its own."""


class TimeExceeded(Exception):
    """A process was ended because it took longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"more than {seconds:g} s")
        self.seconds = seconds


class BoundedProcess:
    """`python -m module arguments`, used by one thread at a time.

    It answers each frame on its standard input by one on its standard output, and bounds its own time and memory
    (confine.py). seconds: the processor's, that it gives itself for an answer. wall_seconds: for an answer, whatever
    else the machine does. most: bytes of an answer. environment: its variables, those of this process by default.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        seconds: float,
        wall_seconds: float,
        most: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._seconds, self._wall_seconds, self._most = seconds, wall_seconds, most
        self._late = False
        # Not multiprocessing: its children import the server's main module again, and with it all of the server.
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**(os.environ if environment is None else environment), "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,  # an interrupt at the terminal is for the server, with which it ends
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout

    @property
    def id(self) -> int:
        """The process id."""
        return self._process.pid

    def ask(self, value: Any, parts: Iterable[bytes | memoryview] = ()) -> Frame:
        """The answer to a frame. Raises TimeExceeded, and Ended where there is none for another cause."""
        answer = None
        with self._in_time(), suppress(OSError, FrameTooLong):
            write_frame(self._stdin, value, parts)
            answer = read_frame(self._stdout, self._most)
        if answer is not None:
            return answer
        self.end()
        if self._process.returncode == -signal.SIGXCPU:
            raise TimeExceeded(self._seconds)
        if self._late:
            raise TimeExceeded(self._wall_seconds)
        raise Ended

    def kill(self) -> None:
        """Ends the process at once, by any thread; who waits for its answer is told that it ended."""
        self._process.kill()

    def end(self) -> None:
        """Ends the process, if it has not ended by itself, and waits for its end."""
        if self._stdout.closed:
            return
        with suppress(OSError):
            self._stdin.close()
        self._stdout.close()
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Ends the process where the block takes longer."""
        timer = threading.Timer(self._wall_seconds, self._time_out)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _time_out(self) -> None:
        self._late = True
        self._process.kill()
