"""The machine that the process runs on: its cores, and its memory."""

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class _ControlGroups(NamedTuple):
    """Where a version of Linux' control groups has a group's limit, its usage, and what of that is files to drop."""

    mount: str
    limit: str
    usage: str
    files: str


_V1 = _ControlGroups("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = _ControlGroups("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def trim() -> None:
    """Give memory that was freed back to the system, where the C library keeps it for later (glibc).

    A compiler's working memory, hundreds of megabytes in the arenas of several threads, would stay resident.
    """
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)


def available_memory(root: Path = Path("/")) -> int:
    """Bytes that this process can still take without others having to give way, within its control groups' limits.

    root: where the file systems `proc` and `sys` are. Where they do not tell: all of the machine's memory.
    """
    spare = _entries(root / "proc/meminfo").get("MemAvailable:")
    return min([memory() if spare is None else 1024 * spare, *_rooms(root)])


def _rooms(root: Path) -> Iterator[int]:
    """What each control group that the process is in still lets it take, those above it included."""
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        groups = _V1 if controllers else _V2
        # In a container the path may be the host's, of which only the mount point is seen: it is the last parent.
        for group in (Path(path), *Path(path).parents):
            folder = root / groups.mount / str(group).lstrip("/")
            limit, usage = (_number(folder / name) for name in (groups.limit, groups.usage))
            if limit is not None and usage is not None:
                yield max(0, limit - usage + _entries(folder / "memory.stat").get(groups.files, 0))


def _entries(file: Path) -> dict[str, int]:
    """Name -> number, of a file with one of each per line."""
    return {words[0]: int(words[1]) for words in map(str.split, _lines(file)) if len(words) > 1}


def _number(file: Path) -> int | None:
    """What a file of one number says; None where there is none, or no limit."""
    lines = _lines(file)
    return int(lines[0]) if lines and lines[0].isdigit() else None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
