"""A hard limit on the memory of a server and all its processes: a control group, or else a limit of its own process."""

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

CONTROL_GROUPS = Path("/sys/fs/cgroup")
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class ControlGroup:
    """One that holds processes to so much memory; the system ends whatever goes beyond.

    folder: where it is. peak: the file that has the most it has used, None where the system does not count that.
    """

    folder: Path
    peak: Path | None = None

    def add(self, pid: int) -> None:
        """The process, and those that it starts from now on."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def limit_now(self, pid: int) -> None:
        """Nothing: it has been limited from the start."""

    def __str__(self) -> str:
        used = "" if self.peak is None else f", {int(self.peak.read_text()) / MEBIBYTE:.0f} MiB used at most"
        return f"control group {self.folder}{used}"


@dataclass
class DataLimit:
    """Limits what a process may allocate by RLIMIT_DATA, which counts what is reserved too: so much more as is reserved
    and not resident when it is told to. Each process that it starts has the same limit for itself.
    """

    most: int
    data: int = 0

    def add(self, pid: int) -> None:
        """Nothing yet: what a start reserves is not known."""

    def limit_now(self, pid: int) -> None:
        """From now on."""
        memory = psutil.Process(pid).memory_info()
        self.data = memory.data + self.most - memory.rss
        resource.prlimit(pid, resource.RLIMIT_DATA, (self.data, self.data))

    def __str__(self) -> str:
        return f"RLIMIT_DATA of {self.data / MEBIBYTE:.0f} MiB, for want of a control group that can be made"


@contextmanager
def memory_limit(most: int) -> Iterator[ControlGroup | DataLimit]:
    """What holds processes to `most` bytes together."""
    groups = (_made(parent / f"jaxchat-{os.getpid()}", limit, peak, most) for parent, limit, peak in _places())
    group = next(filter(None, groups), None)
    try:
        yield group or DataLimit(most)
    finally:
        if group is not None:
            _remove(group.folder)


def _remove(folder: Path) -> None:
    """Once the processes in it have ended, which its server's own do soon behind it; left behind if they do not."""
    for _ in range(100):
        with suppress(OSError):
            folder.rmdir()
            return
        time.sleep(0.1)


def _made(folder: Path, limit: str, peak: str, most: int) -> ControlGroup | None:
    """A new control group, None where none can be made there that limits memory."""
    try:
        folder.mkdir()
    except OSError:
        return None
    try:
        (folder / limit).write_text(str(most))
    except OSError:
        folder.rmdir()
        return None
    return ControlGroup(folder, folder / peak if (folder / peak).exists() else None)


def _places() -> Iterator[tuple[Path, str, str]]:
    """Folders in which a group may be made, and the files of the limit and the peak, of both versions."""
    own = [line.split(":", 2) for line in _lines(Path("/proc/self/cgroup"))]
    for _, controllers, path in own:
        if "memory" in controllers.split(","):
            for parent in (CONTROL_GROUPS / "memory" / path.strip("/"), CONTROL_GROUPS / "memory"):
                yield parent, "memory.limit_in_bytes", "memory.max_usage_in_bytes"
        elif not controllers:
            for parent in (CONTROL_GROUPS / path.strip("/"), CONTROL_GROUPS):
                yield parent, "memory.max", "memory.peak"


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
