"""A process that does to itself what it is told: `python -m tests.handlers.processes.answering SECONDS BYTES`."""

import os
import sys

from handlers.processes.confine import limit_memory, limit_time, open_answers, open_nothing_more
from handlers.processes.frames import read_frame, write_frame


def act(kind, value):
    match kind:
        case "compute":
            while True:
                pass
        case "allocate":
            return "allocated" if bytearray(value) else None
        case "long":
            return "x" * value
        case "open":
            os.close(os.open(os.devnull, os.O_RDONLY))
            return "opened"
        case "confine":
            open_nothing_more()
            return "confined"
        case "variable":
            return os.environ.get(value)
    return value


def main(seconds, memory):
    answers = open_answers()
    print("printed", flush=True)
    limit_memory(memory)
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        limit_time(seconds)
        try:
            value = act(*frame.value())
        except (MemoryError, OSError) as error:
            value = type(error).__name__
        write_frame(answers, value, [frame.rest])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
