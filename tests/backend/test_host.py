"""What the machine has to spare, told from files as Linux writes them."""

import os
from pathlib import Path

import pytest

from backend import host

GIB = 2**30
MEMINFO = (
    "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\nHugePages_Total:       0\n"
)


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def group(folder: str, limit: int | str, usage: int, files: int, names: tuple[str, str, str]) -> dict[str, str]:
    return {
        f"{folder}/{names[0]}": f"{limit}\n",
        f"{folder}/{names[1]}": f"{usage}\n",
        f"{folder}/memory.stat": f"anon 1\n{names[2]} {files}\nactive_file 7\n",
    }


V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")


def test_what_is_available_counts_and_not_what_there_is(tmp_path):
    assert host.available_memory(machine(tmp_path, {"proc/meminfo": MEMINFO})) == 8 * GIB


def test_without_proc_it_is_the_machines_memory(tmp_path):
    assert host.available_memory(tmp_path) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("limit", "parent", "expected"),
    [
        (4 * GIB, "max", 2 * GIB),
        (4 * GIB, 3 * GIB, GIB),
        ("max", "max", 8 * GIB),
        (GIB, "max", 0),
        (100 * GIB, "max", 8 * GIB),
    ],
)
def test_a_limit_of_a_group_or_of_one_above_it_leaves_what_is_not_used_yet(tmp_path, limit, parent, expected):
    """Of 3 GiB in use, 1 GiB are files that can be dropped."""
    files = {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/user.slice/session\n"}
    files |= group("sys/fs/cgroup/user.slice/session", limit, 3 * GIB, GIB, V2)
    files |= group("sys/fs/cgroup/user.slice", parent, 3 * GIB, GIB, V2)
    assert host.available_memory(machine(tmp_path, files)) == expected


@pytest.mark.parametrize("seen", ["docker/abc", ""], ids=["by its path", "by the mount point alone"])
def test_the_first_version_of_control_groups_is_read_too(tmp_path, seen):
    cgroup = "12:cpuset:/docker/abc\n5:memory:/docker/abc\n1:name=systemd:/docker/abc\n"
    files = {"proc/meminfo": MEMINFO, "proc/self/cgroup": cgroup}
    files |= group(f"sys/fs/cgroup/memory/{seen}", 3 * GIB, 2 * GIB, GIB, V1)
    files |= group("sys/fs/cgroup/cpuset/docker/abc", GIB, GIB, 0, V1)
    assert host.available_memory(machine(tmp_path, files)) == 2 * GIB


def test_this_machine_has_some():
    assert 0 < host.available_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 1 <= host.cores() <= (os.cpu_count() or 1)
    host.trim()
