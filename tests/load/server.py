"""A server in a process of its own, and what can be seen of it from outside."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.load.memory import ControlGroup, DataLimit, memory_limit

READY_SECONDS, STOP_SECONDS = 240, 60


@dataclass(frozen=True)
class Level:
    """What must come back to where it was: of the process, and tasks of its event loop."""

    threads: int
    descriptors: int
    tasks: int


class Server:
    """A running server, warm. url: of the API. limit: what bounds its memory, None for nothing."""

    def __init__(
        self,
        process: subprocess.Popen,
        url: str,
        metrics_url: str,
        tasks: Path,
        limit: ControlGroup | DataLimit | None = None,
    ) -> None:
        self.process, self.url, self._metrics_url, self._tasks = process, url, metrics_url, tasks
        self.limit = limit
        self._seen = psutil.Process(process.pid)

    def resident(self) -> int:
        """Bytes of memory in use."""
        return self._seen.memory_info().rss

    def level(self) -> Level:
        """The counts as they are now."""
        return Level(self._seen.num_threads(), self._seen.num_fds(), self._count_tasks())

    def metrics(self) -> dict[str, float]:
        """Every metric without labels, by the name of its sample."""
        text = httpx.get(self._metrics_url, timeout=30).raise_for_status().text
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return {sample.name: sample.value for sample in samples if not sample.labels}

    def held(self, seconds: float) -> int:
        """How often the event loop was held for longer than that, one of the bounds that its distribution has."""
        text = httpx.get(self._metrics_url, timeout=30).raise_for_status().text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        lag = [sample for sample in samples if sample.name == "jaxchat_event_loop_lag_seconds_bucket"]
        counts = {float(sample.labels["le"]): sample.value for sample in lag}
        return int(max(counts.values()) - counts[seconds])

    def settle(self) -> None:
        """Returns once nothing runs and nobody waits."""
        wait_until(lambda: self.metrics()["jaxchat_rows_running"] + self.metrics()["jaxchat_choices_waiting"] == 0, 60)

    def _count_tasks(self) -> int:
        self._tasks.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        wait_until(self._tasks.exists, 30)
        return int(self._tasks.read_text())


@contextmanager
def serving(folder: Path, *flags: str, memory: int | None = None) -> Iterator[Server]:
    """A server with the bundled model; its log and what it writes are in `folder`. It must stop when it is told to.

    memory: bytes that it and its processes may take, beyond which they are ended; None for any number.
    """
    port, metrics_port = free_ports(2)
    command = [
        *(sys.executable, "-m", "tests.load.serve", str(folder / "tasks"), "--host", "127.0.0.1"),
        *("--port", str(port), "--metrics-port", str(metrics_port), "--grammar-cache", str(folder / "grammars")),
        *flags,
    ]
    with (folder / "server.log").open("wb") as log, memory_limit(memory) if memory else nullcontext() as limit:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            if limit is not None:
                limit.add(process.pid)
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: process.poll() is not None or healthy(url), READY_SECONDS)
            assert process.poll() is None, (folder / "server.log").read_text()[-4000:]
            if limit is not None:
                limit.limit_now(process.pid)
            yield Server(process, url, f"http://127.0.0.1:{metrics_port}/metrics", folder / "tasks", limit)
            process.terminate()
            assert process.wait(STOP_SECONDS) == 0
        finally:
            process.kill()
            process.wait()


def healthy(url: str) -> bool:
    """Whether /health is 200 there."""
    try:
        return httpx.get(url + "/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Returns when the condition is true, and fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)
