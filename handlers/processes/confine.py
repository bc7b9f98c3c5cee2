"""What a process that works on what others sent does to itself before, and with each piece of work."""

import math
import os
import resource
import sys
from pathlib import Path
from typing import BinaryIO


def open_answers() -> BinaryIO:
    """Standard output for answers alone: what is printed from now on goes to the log. No core is dumped."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return answers


def print_nothing_more() -> None:
    """From now on what libraries say of foreign data goes nowhere: there is no end of it, and the data may be in it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for printed in (1, 2):
        os.dup2(nowhere, printed)
    os.close(nowhere)


def limit_time(seconds: int) -> None:
    """The system ends this process when it has computed for so much longer, whatever it computes."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = math.ceil(usage.ru_utime + usage.ru_stime)
    resource.setrlimit(resource.RLIMIT_CPU, (used + seconds, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def limit_memory(size: int) -> None:
    """An allocation of more than `size` bytes beyond what is there is a MemoryError. Linux only."""
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_bytes().split()[0])
        most = pages * resource.getpagesize() + size
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))


def open_nothing_more() -> None:
    """From now on this process can open no file and no socket, and write none that it has open already but pipes."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
