"""What a grammar defers is checked when an answer is complete; one that breaks it ends as if it had been cut off."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace

from handlers.generation.deferred import CHECKS
from handlers.generation.deltas import Delta


@dataclass(frozen=True)
class AnswerCheck:
    """What of an answer its grammar has left to be checked.

    form: the JSON Schema of the content where there are no calls, None where nothing of it was deferred. tools: those
    of the arguments of calls, by name. keywords: which keywords were deferred; with one that no check is for, no answer
    is taken for valid.
    """

    form: bytes | None = None
    tools: Mapping[str, bytes] = field(default_factory=dict)
    keywords: frozenset[str] = frozenset(CHECKS)

    def holds(self, answer: "Answer") -> bool:
        """Whether a complete answer is known to be valid."""
        texts = [(self.tools[name], arguments) for name, arguments in answer.calls.values() if name in self.tools]
        if self.form is not None and not answer.calls:
            texts.append((self.form, answer.content))
        if not self.keywords <= CHECKS.keys():
            return False
        checks = {CHECKS[keyword] for keyword in self.keywords}
        return all(check(schema, text) for check in checks for schema, text in texts)


@dataclass
class Answer:
    """The text of one choice so far. calls: name and arguments, by index."""

    content: str = ""
    calls: dict[int, tuple[str, str]] = field(default_factory=dict)

    def add(self, delta: Delta) -> None:
        """More of it."""
        self.content += delta.content
        if delta.call is not None:
            name, arguments = self.calls.get(delta.call.index, ("", ""))
            self.calls[delta.call.index] = (delta.call.name or name, arguments + delta.call.arguments)


async def checked(
    deltas: AsyncIterator[Delta], check: Callable[[], AnswerCheck | None], begun: str = ""
) -> AsyncGenerator[Delta, None]:
    """The same deltas, but that a choice that is complete and not known to be valid ends with "length".

    check: what is to be checked, None for nothing; asked when a choice is complete. begun: content before that of the
    deltas.
    """
    answers: dict[int, Answer] = {}
    async for delta in deltas:
        answer = answers.setdefault(delta.choice, Answer(begun))
        answer.add(delta)
        if delta.finish_reason in ("stop", "tool_calls") and (left := check()) is not None:
            held = await asyncio.to_thread(left.holds, answer)
            yield delta if held else replace(delta, finish_reason="length")
        else:
            yield delta
