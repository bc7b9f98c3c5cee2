"""Tells when a computation does not come to an end: a device that hangs raises nothing and answers nothing."""

import threading
import time
from collections.abc import Callable


class Watchdog:
    """Calls `bark`, once, when something that began has not ended for `seconds`.

    `begin` and `end` cost nothing; they are for one thread. bark: called in a thread of the watchdog.
    """

    def __init__(self, seconds: float, bark: Callable[[], None]) -> None:
        self._seconds, self._bark = seconds, bark
        self._began: float | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Something begins."""
        self._began = time.monotonic()

    def end(self) -> None:
        """It has ended."""
        self._began = None

    def stop(self) -> None:
        """Watches no longer."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self._seconds / 10):
            began = self._began
            if began is not None and time.monotonic() - began > self._seconds:
                self._bark()
                return
