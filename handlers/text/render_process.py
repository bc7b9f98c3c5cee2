"""The process that renders chat templates: requests come in on standard input, a frame each, and so do answers.

`python -m handlers.text.render_process SECONDS BYTES CHARACTERS` runs one; rendering.py starts it and says what they
mean.
"""

import sys
from typing import Any

from transformers.utils.chat_template_utils import render_jinja_template

from handlers.processes.confine import limit_memory, limit_time, open_answers
from handlers.processes.frames import Frame, read_frame, write_frame
from handlers.text.jinja import undeclared

MESSAGE_CHARACTERS = 2000
TEXT, NAMES, REFUSED, EXCEEDED = "text", "names", "refused", "exceeded"


def main(seconds: int, memory: int, characters: int) -> None:
    """Serves until standard input ends, or an answer says that a limit was exceeded."""
    answers = open_answers()
    limit_memory(memory)
    while (request := read_frame(sys.stdin.buffer)) is not None:
        limit_time(seconds)
        kind, value = answer(request, characters)
        write_frame(answers, [kind, value])
        if kind == EXCEEDED:
            return


def answer(request: Frame, characters: int) -> tuple[str, Any]:
    """What to say to a request; never raises."""
    try:
        kind, arguments = request.value()
        if kind == NAMES:
            return NAMES, undeclared(arguments)
        text = render_jinja_template(**arguments)[0][0]
    except MemoryError:
        return EXCEEDED, "memory"
    except RecursionError:
        return REFUSED, "it is nested too deeply"
    except Exception as error:
        # Template and data are both foreign here: whatever they raise together is their fault.
        return REFUSED, str(error)[:MESSAGE_CHARACTERS]
    most = characters + 4 * len(request.text)
    return (TEXT, text) if len(text) <= most else (EXCEEDED, f"length: the text has more than {most:,} characters")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
