"""The terms in which a family's syntax is described. One description serves reading and enforcement."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal


@dataclass(frozen=True)
class Space:
    """White space, as much as there is; where it is written, `usual`."""

    usual: str = "\n"


@dataclass(frozen=True)
class Optional:
    """Text that may be missing; where it is written, it is there."""

    text: str


@dataclass(frozen=True)
class Name:
    """Where a call has the function's name."""


@dataclass(frozen=True)
class Number:
    """Where a call has its number in the answer, counted from 0."""


@dataclass(frozen=True)
class Identifier:
    """Where a call has an id of letters and digits, which is read and not used."""


@dataclass(frozen=True)
class JsonArguments:
    """Where a call has its arguments as a JSON object."""


@dataclass(frozen=True)
class JsonCall:
    """A JSON object that holds name and arguments. arguments: keys that the arguments may have, the usual one first."""

    arguments: tuple[str, ...] = ("arguments", "parameters")


@dataclass(frozen=True)
class TaggedArguments:
    """Each argument as `open` key `key_end` `value_open` value `close`, with white space between.

    kinds: what may stand instead of `value_open`, and whether the value is then text (True) or JSON (False).
    newline: one newline after the opening and one before `close` are no part of the value.
    """

    open: str
    key_end: str
    close: str
    value_open: str = ""
    kinds: tuple[tuple[str, bool], ...] = ()
    newline: bool = False


@dataclass(frozen=True)
class PythonArguments:
    """Keyword arguments as in Python, up to the closing parenthesis, which belongs to them."""


@dataclass(frozen=True)
class QuotedArguments:
    """An object in braces whose keys are bare and whose strings stand between `quote` and `quote`."""

    quote: str


Arguments = JsonArguments | JsonCall | TaggedArguments | PythonArguments | QuotedArguments
Part = str | Space | Optional | Name | Number | Identifier | Arguments


@dataclass(frozen=True)
class CallSyntax:
    """How calls are written: `begin` call `between` call ... `end`.

    call: its parts in order, one of them Arguments. begin, end: around all calls together, nothing for most families.
    A call without `begin` is read too if the call begins with a marker of its own.
    bare: it may open the answer, although no marker leads into it. identifiers: it has room for functions' names of
    letters, digits, `_` and `-` only.
    """

    call: tuple[Part, ...]
    begin: tuple[Part, ...] = ()
    between: tuple[Part, ...] = (Space(),)
    end: tuple[Part, ...] = ()
    bare: bool = False
    identifiers: bool = False

    @property
    def marker(self) -> str | None:
        """The text with which what is written begins; None where nothing tells it from other text."""
        first = (*self.begin, *self.call)[0]
        return first if isinstance(first, str) else None

    @property
    def markers(self) -> tuple[str, ...]:
        """The texts that may lead into a call anywhere in the answer."""
        first = [parts[0] for parts in (self.begin, self.call) if parts]
        return tuple(part for part in first if isinstance(part, str) and len(part) > 1)


@dataclass(frozen=True)
class ReasoningSyntax:
    """How reasoning is marked. anywhere: it may begin in the middle of the answer too, not only open it.

    behind: what stands between the marker that closes it and the answer.
    """

    open: str
    close: str
    anywhere: bool = False
    behind: str = ""


Flow = Literal["text", "channels"]


@dataclass(frozen=True)
class Format:
    """How one model writes its answers.

    tools: ways to write calls; the first is the family's own and is enforced, the others are read as well.
    flow: "channels" where the whole answer is a sequence of messages in channels, as in gpt-oss.
    tool_name, reasoning_name: the names under which they were chosen, "none" for none.
    """

    tools: tuple[CallSyntax, ...] = ()
    reasoning: ReasoningSyntax | None = None
    flow: Flow = "text"
    tool_name: str = "none"
    reasoning_name: str = "none"

    def marked_first(self) -> "Format":
        """The same, with calls written in a way that a marker tells from everything else, where there is one."""
        return replace(self, tools=tuple(sorted(self.tools, key=lambda syntax: syntax.marker is None)))

    def markers(self, *, calls: bool) -> tuple[str, ...]:
        """Every text that structures an answer; those of calls if `calls`."""
        found = [self.reasoning.open, self.reasoning.close] if self.reasoning else []
        if self.flow == "channels":
            found += CHANNEL_MARKERS
        if calls:
            for syntax in self.tools:
                found += _texts((*syntax.begin, *syntax.call, *syntax.between, *syntax.end))
        return tuple(found)


CHANNEL_MARKERS = ("<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>")


def _texts(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif not isinstance(part, Space):
            yield from (value for field in fields(part) if isinstance(value := getattr(part, field.name), str))
            yield from (text for text, _ in getattr(part, "kinds", ()))
