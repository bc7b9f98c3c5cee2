"""The limit on memory that attacked servers run in: it ends what goes beyond, in both ways of setting it."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest

from tests.load.memory import MEBIBYTE, ControlGroup, DataLimit, memory_limit

MOST = 96 * MEBIBYTE
CHILD = "import sys; sys.stdin.readline(); x = bytearray(int(sys.argv[1]) << 20)"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has both")
@pytest.mark.parametrize("limited", [lambda: memory_limit(MOST), lambda: nullcontext(DataLimit(MOST))])
def test_what_takes_more_is_ended(limited: Callable[[], AbstractContextManager[ControlGroup | DataLimit]]) -> None:
    for size, fits in ((16, True), (256, False)):
        with (
            limited() as limit,
            subprocess.Popen(
                [sys.executable, "-c", CHILD, str(size)], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
            ) as child,
        ):
            limit.add(child.pid)
            limit.limit_now(child.pid)
            child.communicate(b"\n", timeout=60)
            assert (child.returncode == 0) == fits and str(limit)
