"""How far something that takes long has got: a bar at a terminal, lines of log elsewhere."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

LOG_SECONDS = 5.0
"""Between two lines of log about the same thing."""

log = logging.getLogger(__name__)


@contextmanager
def progress(label: str, text: Callable[[int, int], str]) -> Iterator[Callable[[int, int], None]]:
    """Shows how far something has got; what it gives takes how much of it is done, and how much there is in all.

    label: what is done, "compiling". text: how far that is, "3 of 13 programs". Where standard error is a terminal it
    is a bar, which goes in the end. Elsewhere it is a line of log every few seconds, also where nothing has changed
    since the last, so that whoever reads the log knows what takes long. The end is a line of log in both.
    """
    began, amounts = time.monotonic(), (0, 0)
    ended, console = threading.Event(), Console(stderr=True)

    def seconds() -> float:
        return time.monotonic() - began

    def tell() -> None:
        while not ended.wait(LOG_SECONDS):
            log.info("%s: %s after %.0f s", label, text(*amounts), seconds())

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(label, total=None, text="")

        def update(done: int, total: int) -> None:
            nonlocal amounts
            amounts = (done, total)
            bars.update(task, completed=done, total=total, text=text(done, total))

        teller = threading.Thread(target=tell, name="progress", daemon=True)
        if not console.is_terminal:
            teller.start()
        try:
            yield update
        finally:
            ended.set()
    log.info("%s: %s in %.1f s", label, text(*amounts), seconds())
