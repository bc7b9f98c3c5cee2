"""The servers that are compared: how each is started, and what its requests need besides the common fields."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from benchmarks import machine

START_SECONDS = 300
ROOT = Path(__file__).parents[2]
LLAMA_SERVER = "JAXCHAT_LLAMA_SERVER"


class Absent(Exception):
    """What a side needs is not installed."""


@dataclass(frozen=True)
class Served:
    """What a side is to serve. ggufs: kind -> file, "F32" for the weights as they are. streams: at the same time.

    context: tokens of one prompt with its answer. scratch: a folder for caches. flags: further ones of our server.
    """

    folder: Path
    ggufs: dict[str, Path]
    streams: int
    context: int
    scratch: Path
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Side:
    """One of those who are compared. command: of a server on a port. ready: a path that is 200 when it can answer.

    extra: further fields of the request's body.
    """

    name: str
    command: Callable[[Served, int], list[str]]
    ready: str = "/health"
    extra: dict[str, Any] = field(default_factory=dict)
    needs: str | None = None


USAGE = {"stream_options": {"include_usage": True}}


def jaxchat(served: Served, port: int, *flags: str) -> list[str]:
    """Ours, with as many rows as streams and room for them, as llama.cpp has it."""
    run = "import sys; from handlers.cli import main; sys.argv[0] = 'jaxchat'; main()"
    return [
        *(sys.executable, "-c", run, "serve", "--model", str(served.folder), "--host", "127.0.0.1"),
        *("--served-model-name", str(served.folder)),  # as all sides call it
        *("--port", str(port), "--no-metrics", "--max-batch-size", str(served.streams), "--log-level", "warning"),
        *("--max-context-length", str(served.context)),
        *("--compilation-cache", str(served.scratch / "compiled"), "--grammar-cache", str(served.scratch / "grammars")),
        *(*served.flags, *flags),
    ]


def jaxchat_deterministic(served: Served, port: int) -> list[str]:
    """Ours with one shape of each program, so that rounding is always the same: all rows are computed every time."""
    return jaxchat(served, port, "--deterministic")


def transformers(served: Served, port: int) -> list[str]:
    """transformers' server, which answers one request after the other."""
    run = "from transformers.cli.transformers import main; main()"
    return [
        *(sys.executable, "-c", run, "serve", str(served.folder), "--host", "127.0.0.1", "--port", str(port)),
        *("--dtype", "float32", "--device", "cpu", "--log-level", "error"),
    ]


def transformers_batching(served: Served, port: int) -> list[str]:
    """The same with continuous batching; its cache would take nine tenths of the memory that is free."""
    return [*transformers(served, port), "--continuous-batching", "--cb-max-memory-percent", "0.3"]


def llama_server(kind: str) -> Callable[[Served, int], list[str]]:
    """llama.cpp's own server, as many slots as streams."""

    def command(served: Served, port: int) -> list[str]:
        cores = str(machine.cores())
        return [
            *(str(find_llama_server()), "-m", str(served.ggufs[kind]), "--host", "127.0.0.1", "--port", str(port)),
            *("-np", str(served.streams), "-c", str(served.streams * served.context), "-t", cores, "-tb", cores),
            *("--jinja", "--reasoning-format", "none", "--offline", "--log-disable"),
        ]

    return command


def llama_cpp_python(kind: str) -> Callable[[Served, int], list[str]]:
    """llama-cpp-python's server, which answers one request after the other."""

    def command(served: Served, port: int) -> list[str]:
        cores = str(machine.cores())
        return [
            *(sys.executable, "-m", "llama_cpp.server", "--model", str(served.ggufs[kind]), "--host", "127.0.0.1"),
            *("--port", str(port), "--n_ctx", str(served.context), "--n_threads", cores, "--n_threads_batch", cores),
            *("--interrupt_requests", "False", "--logits_all", "False", "--verbose", "False"),
        ]

    return command


def find_llama_server() -> Path:
    """The binary that JAXCHAT_LLAMA_SERVER or PATH names. Raises Absent."""
    found = os.environ.get(LLAMA_SERVER) or shutil.which("llama-server")
    if found is None or not Path(found).is_file():
        raise Absent(f"llama-server is not on PATH and {LLAMA_SERVER} does not name it; see benchmarks/README.md")
    return Path(found)


def sides(quantised: str) -> dict[str, Side]:
    """All of them by name. quantised: the kind of GGUF that stands for llama.cpp's best."""
    python = {"ready": "/v1/models", "extra": {"repeat_penalty": 1.0}, "needs": "llama_cpp"}
    found = [
        Side("jaxchat", jaxchat, extra=USAGE),
        Side("jaxchat-deterministic", jaxchat_deterministic, extra=USAGE),
        Side("transformers", transformers, needs="fastapi"),
        Side("transformers-batching", transformers_batching, needs="fastapi"),
        Side("llama-server", llama_server("F32"), extra=USAGE),
        Side("llama-server-quantised", llama_server(quantised), extra=USAGE),
        Side("llama-cpp-python", llama_cpp_python("F32"), **python),
        Side("llama-cpp-python-quantised", llama_cpp_python(quantised), **python),
    ]
    return {side.name: side for side in found}


def check(side: Side) -> None:
    """Raises Absent where the side cannot be started."""
    if side.needs is not None and find_spec(side.needs) is None:
        raise Absent(f"the package {side.needs} is not installed; nox -s bench_serving installs it")
    if side.name.startswith("llama-server"):
        find_llama_server()


class Server:
    """A side in a process of its own, ready to answer; use as a context manager. Paused, it takes no core.

    model: the name that requests give.
    """

    def __init__(self, side: Side, served: Served) -> None:
        self.side, self.model, self._port = side, str(served.folder), free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._log = (served.scratch / f"{side.name}.log").open("w+", encoding="utf-8")
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
        self._process = psutil.Popen(
            side.command(served, self._port), stdout=self._log, stderr=subprocess.STDOUT, env=environment
        )
        try:
            self._wait()
        except BaseException:
            self._end()
            raise

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def pause(self) -> None:
        """Stop all of its processes where they are."""
        for process in self._tree():
            process.suspend()

    def resume(self) -> None:
        """Let them go on."""
        for process in reversed(self._tree()):
            process.resume()

    def peak_memory(self) -> int:
        """Bytes: what was resident at most in the process itself, and what the processes that it started hold now.

        Memory that several of these share is counted in parts.
        """
        own, *started = self._tree()
        return _peak(own.pid) + sum(process.memory_full_info().pss for process in started)

    def log(self) -> str:
        """The last lines it wrote."""
        self._log.flush()
        return "\n".join(Path(self._log.name).read_text(encoding="utf-8", errors="replace").splitlines()[-15:])

    def _tree(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while not _answers(self.url + self.side.ready):
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.side.name} ended with {self._process.returncode}:\n{self.log()}")
            if time.monotonic() > end:
                raise RuntimeError(f"{self.side.name} was not ready after {START_SECONDS} s:\n{self.log()}")
            time.sleep(0.1)

    def _end(self) -> None:
        if self._process.poll() is None:
            self.resume()
            tree = self._tree()
            self._process.terminate()
            _, left = psutil.wait_procs(tree, timeout=10)
            for process in left:
                process.kill()
            psutil.wait_procs(left, timeout=10)
        self._log.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _peak(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)
