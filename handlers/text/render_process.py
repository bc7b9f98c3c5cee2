"""The process that renders chat templates: requests come in on standard input, a line of JSON each, and so do answers.

`python -m handlers.text.render_process SECONDS BYTES CHARACTERS` runs one; rendering.py starts it and says what they
mean.
"""

import json
import math
import os
import resource
import sys
from pathlib import Path
from typing import Any

from transformers.utils.chat_template_utils import render_jinja_template

from handlers.text.jinja import undeclared

MESSAGE_CHARACTERS = 2000
TEXT, NAMES, REFUSED, EXCEEDED = "text", "names", "refused", "exceeded"


def main(seconds: int, memory: int, characters: int) -> None:
    """Serves until standard input ends, or an answer says that a limit was exceeded."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed goes to the log, not between the answers
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_memory(memory)
    for line in sys.stdin.buffer:
        limit_time(seconds)
        kind, value = answer(line, characters)
        answers.write(json.dumps([kind, value]).encode() + b"\n")
        answers.flush()
        if kind == EXCEEDED:
            return


def answer(line: bytes, characters: int) -> tuple[str, Any]:
    """What to say to a request; never raises."""
    try:
        kind, request = json.loads(line)
        if kind == NAMES:
            return NAMES, undeclared(request)
        text = render_jinja_template(**request)[0][0]
    except MemoryError:
        return EXCEEDED, "memory"
    except RecursionError:
        return REFUSED, "it is nested too deeply"
    except Exception as error:
        # Template and data are both foreign here: whatever they raise together is their fault.
        return REFUSED, str(error)[:MESSAGE_CHARACTERS]
    most = characters + 4 * len(line)
    return (TEXT, text) if len(text) <= most else (EXCEEDED, f"length: the text has more than {most:,} characters")


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


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
