"""`jaxchat serve` as it is, which also counts the tasks of its event loop when it gets SIGUSR1, into a file.

python -m tests.load.serve FILE [FLAGS OF jaxchat serve]
"""

import asyncio
import gc
import signal
import sys
from pathlib import Path
from types import FrameType

from handlers.cli import main


def count_tasks(path: Path) -> None:
    """From now on at each signal; the signal interrupts the main thread, in which the loop runs."""

    def write(number: int, frame: FrameType | None) -> None:
        gc.collect()
        tasks = asyncio.all_tasks(asyncio.get_running_loop())
        part = path.with_suffix(".part")
        part.write_text(str(len(tasks)))
        part.replace(path)

    signal.signal(signal.SIGUSR1, write)


if __name__ == "__main__":
    count_tasks(Path(sys.argv[1]))
    sys.argv = ["jaxchat", "serve", *sys.argv[2:]]
    main()
