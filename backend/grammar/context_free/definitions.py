"""A grammar as named syntax trees over characters, in which further code points stand for references."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from backend.grammar.chars.ranges import LAST, Ranges
from backend.grammar.chars.syntax import EMPTY_STRING, Alternation, Chars, Node, Repeat, Sequence
from backend.grammar.errors import GrammarError

FIRST_LETTER = LAST + 2
"""Not a neighbour of the last character, so that no range holds both."""
MOST_DEFINITIONS = 100_000
"""Letters must stay below 2 ** 21, where the automata of characters end."""


@dataclass(frozen=True)
class Definition:
    """What a name stands for. body: a tree whose characters beyond FIRST_LETTER are references, by number.

    line: where it is defined, from 1. brackets: the characters between which it stands, where it is a container.
    schema: what it is instead of a body if `is_schema`, a JSON Schema.
    """

    name: str
    line: int
    body: Node = EMPTY_STRING
    brackets: tuple[int, int] | None = None
    schema: Any = None
    is_schema: bool = False

    @property
    def called(self) -> str:
        """How errors name it."""
        return f"rule {self.name!r} (line {self.line})"


@dataclass
class Grammar:
    """definitions: by number. start: the number of the one that is the whole language."""

    definitions: list[Definition]
    start: int

    def add(self, definition: Definition) -> int:
        """The number of a new definition. Raises GrammarError where there are too many."""
        if len(self.definitions) >= MOST_DEFINITIONS:
            raise GrammarError(f"the grammar needs more than {MOST_DEFINITIONS} rules")
        self.definitions.append(definition)
        return len(self.definitions) - 1


class Names:
    """The definitions of a grammar while it is read; names may be used before they are defined."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._found: dict[int, Definition] = {}
        self._used: dict[int, int] = {}

    def reference(self, name: str, line: int) -> Chars:
        """What stands for `name` in a tree. line: where it is used."""
        number = self._number(name)
        self._used.setdefault(number, line)
        return letter(number)

    def defines(self, name: str) -> bool:
        """Whether `name` is defined already."""
        return self._numbers.get(name) in self._found

    def define(self, definition: Definition, key: str = "") -> None:
        """key: what refers to it, if not its name. Raises GrammarError for a name that is defined already."""
        number = self._number(key or definition.name)
        if number in self._found:
            first = self._found[number].line
            raise GrammarError(f"{definition.called} is defined already in line {first}; join them with '|'")
        self._found[number] = definition

    def grammar(self, start: str) -> Grammar:
        """Raises GrammarError for a name that is used and not defined, and where `start` is not defined."""
        for number, line in self._used.items():
            if number not in self._found:
                name = next(name for name, known in self._numbers.items() if known == number)
                raise GrammarError(f"rule {name!r} is used in line {line}, but not defined")
        if not self.defines(start):
            raise GrammarError(f"the grammar has no rule {start!r}, with which it must begin")
        return Grammar([self._found[number] for number in range(len(self._numbers))], self._numbers[start])

    def _number(self, name: str) -> int:
        if len(self._numbers) >= MOST_DEFINITIONS:
            raise GrammarError(f"the grammar has more than {MOST_DEFINITIONS} rules")
        return self._numbers.setdefault(name, len(self._numbers))


def letter(number: int) -> Chars:
    """The character that refers to definition `number`."""
    return Chars(((FIRST_LETTER + number, FIRST_LETTER + number),))


def referred(ranges: Ranges) -> int | None:
    """The number of the definition to which a letter refers, None for characters."""
    return ranges[0][0] - FIRST_LETTER if ranges and ranges[0][0] >= FIRST_LETTER else None


def single(node: Node) -> int | None:
    """The code of the one character that `node` is, None for anything else."""
    if isinstance(node, Chars) and len(node.ranges) == 1 and node.ranges[0][0] == node.ranges[0][1] < FIRST_LETTER:
        return node.ranges[0][0]
    return None


def parts_of(node: Node) -> tuple[Node, ...]:
    """The parts of a node that has any."""
    match node:
        case Sequence(parts) | Alternation(parts):
            return parts
        case Repeat(part, _, _):
            return (part,)
    return ()


def references(node: Node) -> Iterator[int]:
    """The numbers of all definitions to which a tree refers, as often as it does."""
    pending = [node]
    while pending:
        at = pending.pop()
        if isinstance(at, Chars):
            number = referred(at.ranges)
            if number is not None:
                yield number
        pending += parts_of(at)


def sequence(parts: list[Node]) -> Node:
    """One part after another, without sequences in it."""
    flat: list[Node] = []
    for part in parts:
        flat += part.parts if isinstance(part, Sequence) else [part]
    return flat[0] if len(flat) == 1 else Sequence(tuple(flat))


def literal(text: str) -> Node:
    """This very text. Raises GrammarError for a surrogate, which no text holds."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise GrammarError("a surrogate (U+D800 to U+DFFF) is no character")
    return sequence([Chars(((ord(char), ord(char)),)) for char in text])
