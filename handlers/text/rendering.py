"""Chat templates are rendered in processes of their own, which the system ends when they take too much.

A template is a program that comes with a checkpoint: nested loops, `'a' * 10**10` and a score of filters take time or
memory without end, most of it in single steps that nothing in the same process could interrupt.
"""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from handlers.processes.bounded import BoundedProcess, Ended, TimeExceeded
from handlers.text.render_process import EXCEEDED, NAMES, REFUSED, TEXT
from handlers.text.template import RenderingExceeded

MODULE = "handlers.text.render_process"
MOST_PROCESSES = 4
ATTEMPTS = 2
"""A process that somebody else ended is no fault of the template; one that ends twice may be."""


@dataclass(frozen=True)
class RenderingLimits:
    """What one rendering may take.

    seconds: of a processor. memory: bytes, enforced on Linux. characters: of text, beside four for each of the chat's
    JSON. wall_seconds: in which it must have ended, whatever else the machine does.
    """

    seconds: int = 5
    memory: int = 512 << 20
    characters: int = 1 << 20
    wall_seconds: float = 60.0


DEFAULT_LIMITS = RenderingLimits()


class TemplateRefused(ValueError):
    """What a template, or its library, has raised."""


class Renderers:
    """Processes that render, as many as are needed at a time and at most `most`. May be used by any thread."""

    def __init__(self, most: int, limits: RenderingLimits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._places = threading.Semaphore(most)
        self._idle: list[BoundedProcess] = []

    @property
    def processes(self) -> list[int]:
        """The process ids of those that wait for work."""
        return [process.id for process in self._idle]

    def render(self, **arguments: Any) -> str:
        """`transformers.utils.chat_template_utils.render_jinja_template` of one conversation.

        Raises TemplateRefused for what that raises, RenderingExceeded where a limit is passed.
        """
        return self._ask(TEXT, arguments)

    def names(self, sources: Sequence[str]) -> frozenset[str]:
        """Names of the variables that templates read. Raises as `render` does."""
        return frozenset(self._ask(NAMES, list(sources)))

    def _ask(self, kind: str, request: Any) -> Any:
        with self._places:
            for _ in range(ATTEMPTS):
                process = self._take()
                try:
                    kind, value = process.ask([kind, request]).value()
                    break
                except TimeExceeded as error:
                    raise RenderingExceeded(f"the chat template takes too much time: {error}") from error
                except Ended:
                    continue
            else:
                raise RenderingExceeded("the chat template makes the process that renders it crash")
            if kind == EXCEEDED:
                process.end()
                raise RenderingExceeded(f"the chat template takes too much {value}")
            self._idle.append(process)
        if kind == REFUSED:
            raise TemplateRefused(value)
        return value

    def _take(self) -> BoundedProcess:
        with suppress(IndexError):
            return self._idle.pop()
        limits = self._limits
        arguments = (str(limits.seconds), str(limits.memory), str(limits.characters))
        return BoundedProcess(MODULE, arguments, seconds=limits.seconds, wall_seconds=limits.wall_seconds)


@cache
def renderers() -> Renderers:
    """Those of this process."""
    return Renderers(min(MOST_PROCESSES, os.cpu_count() or 1))
