"""Files are decoded in processes of their own, which the system ends when they take too much.

Decoders are large programs in C that read what anybody has written. Theirs have no more of the server's than the file
that they are sent, and can open nothing; a fault of one ends the process, and is the file's error.
"""

import asyncio
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec
from math import prod
from typing import Any, Generic, TypeVar

import numpy as np

from backend import FilmInfo
from handlers.media.limits import DEFAULT_LIMITS, WALL, MediaError, MediaLimits
from handlers.media.places import Places
from handlers.processes.bounded import BoundedProcess, Ended, TimeExceeded
from handlers.processes.frames import Frame

MODULE = "handlers.media.decode_process"
PACKAGES = {"PIL": "pillow", "av": "av"}
INSTALL = "pip install 'jaxchat[media]'"
MOST_PROCESSES, MOST_WAITING = 4, 256
HEADER_BYTES = 1 << 20
TIME_BYTES = 8
# What decoders need of the environment; nothing else of it, such as API keys, is there to be read.
_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT")

Result = TypeVar("Result")


def missing_packages() -> list[str]:
    """Packages without which nothing can be decoded."""
    return [package for module, package in PACKAGES.items() if find_spec(module) is None]


class Decoders:
    """Processes that decode, as many as are needed at a time and at most one per core, or MOST_PROCESSES."""

    def __init__(self, limits: MediaLimits = DEFAULT_LIMITS, most: int | None = None) -> None:
        self._limits = limits
        most = most or min(MOST_PROCESSES, os.cpu_count() or 1)
        self._places = Places("decoding", most, max(1, most // 2), MOST_WAITING)
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="media-decode")
        self._idle: list[BoundedProcess] = []
        self._closed = False

    @property
    def processes(self) -> list[int]:
        """The process ids of those that wait for work."""
        return [process.id for process in self._idle]

    async def run(self, work: Callable[["Decoding"], Result], client: str | None = None) -> Result:
        """What `work` makes with a process, in a thread; where nobody waits for it any more the process is ended.

        Raises what `work` raises; MediaError where the process takes too much time or memory, or ends.
        """
        job: _Job[Result] = _Job(work)
        async with self._places.one(client):
            running = asyncio.get_running_loop().run_in_executor(self._threads, self._do, job)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                job.abandon()
                await asyncio.wait([running])
                running.exception()
                raise

    def warm(self) -> None:
        """Has a process wait for work, so that the first medium need not wait for one. Raises RuntimeError."""
        self._idle.append(self._start())

    def close(self) -> None:
        """Ends the processes that wait for work, and each other after its work."""
        self._closed = True
        while self._idle:
            self._idle.pop().end()
        self._threads.shutdown(wait=False)

    def _do(self, job: "_Job[Result]") -> Result:
        process, usable = self._take(), False
        try:
            job.begin(process)
            result = job.work(Decoding(process))
            usable = True
            return result
        except TimeExceeded as error:
            raise MediaError(f"takes too much time to decode: {error}") from error
        except Ended as error:
            raise MediaError("makes the decoder crash") from error
        except Refused as error:
            usable = not error.last
            raise MediaError(str(error)) from error
        finally:
            if usable and not self._closed:
                self._idle.append(process)
            else:
                process.end()

    def _take(self) -> BoundedProcess:
        with suppress(IndexError):
            return self._idle.pop()
        return self._start()

    def _start(self) -> BoundedProcess:
        seconds = self._limits.decode_seconds
        process = BoundedProcess(
            MODULE,
            [json.dumps(asdict(self._limits))],
            seconds=seconds,
            wall_seconds=WALL * seconds,
            most=self._limits.decoded + TIME_BYTES * self._limits.frames + HEADER_BYTES,
            environment={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        )
        try:
            Decoding(process).nothing()
        except (Ended, TimeExceeded) as error:
            raise RuntimeError("a process that decodes media does not start") from error
        return process


class _Job(Generic[Result]):
    """Work for a process, which may be given up at any time."""

    def __init__(self, work: Callable[["Decoding"], Result]) -> None:
        self.work = work
        self._process: BoundedProcess | None = None
        self._abandoned = False
        self._lock = threading.Lock()

    def begin(self, process: BoundedProcess) -> None:
        """`process` works on it now, if anybody still wants it: else it is ended."""
        with self._lock:
            self._process = process
            if self._abandoned:
                process.kill()

    def abandon(self) -> None:
        """Ends the process that works on it, or that will."""
        with self._lock:
            self._abandoned = True
            if self._process is not None:
                self._process.kill()


class Refused(Exception):
    """What a process says of a file. last: it ends with that."""

    def __init__(self, message: str, last: bool = False) -> None:
        super().__init__(message)
        self.last = last


class Decoding:
    """What one process is asked for. `most`: bytes that the arrays may have, beside the limits."""

    def __init__(self, process: BoundedProcess) -> None:
        self._process = process

    def nothing(self) -> None:
        """Returns once the process has started."""
        self._ask("nothing", [], b"")

    def picture(self, data: bytes, decoder: str, most: int) -> np.ndarray:
        """uint8 [height, width, 3], as pictures.decode_picture."""
        return self._array("picture", [decoder, most], data, np.uint8, 3)

    def sound(self, data: bytes, decoder: str, most: int) -> np.ndarray:
        """float32 [samples], as sounds.decode_sound."""
        return self._array("sound", [decoder, most], data, np.float32, 1)

    def film(self, data: bytes, decoder: str) -> tuple[FilmInfo, bool]:
        """What a film is, and whether it has sound; `frames` and `film_sound` are then of it."""
        told, rest = self._ask("film", [decoder], data)
        has_sound = told.pop("sound")
        return FilmInfo(times=np.frombuffer(rest, np.float64), **told), has_sound

    def frames(self, chosen: list[int], most: int) -> np.ndarray:
        """uint8 [chosen, height, width, 3], as films.decode_frames."""
        return self._array("frames", [None, chosen, most], b"", np.uint8, 4)

    def film_sound(self, most: int) -> np.ndarray:
        """float32 [samples] of the film's sound."""
        return self._array("film sound", [None, most], b"", np.float32, 1)

    def _array(self, kind: str, arguments: list[Any], data: bytes, dtype: Any, axes: int) -> np.ndarray:
        shape, rest = self._ask(kind, arguments, data)
        array = np.frombuffer(rest, dtype)
        if len(shape) != axes or prod(shape) != array.size:
            raise Ended  # what a process says that is no decoder any more
        return array.reshape(shape)

    def _ask(self, kind: str, arguments: list[Any], data: bytes) -> tuple[Any, memoryview]:
        answer: Frame = self._process.ask([kind, arguments], [data])
        said, value = answer.value()
        if said == "refused":
            raise Refused(value)
        if said == "memory":
            raise Refused("takes too much memory to decode", last=True)
        return value, answer.rest
