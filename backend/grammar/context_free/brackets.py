"""Recursion between an opening and a closing character: which they are, and what stands between as a definition.

That never changes the language; it only lets the automaton use its stack. Where a character can be read in two ways in
one place, one that opens and one that does not, another pair must be tried.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from backend.grammar.chars.syntax import Alternation, Chars, Node, Repeat, Sequence
from backend.grammar.context_free.definitions import Definition, Grammar, letter, parts_of, references, sequence, single

Pair = tuple[int, int]
"""The codes of an opening and a closing character, both ASCII."""
USUAL: dict[int, int] = {ord(a): ord(b) for a, b in ("()", "[]", "{}", "<>")}
MOST_SPLICED = 16
"""Parts of a sequence that takes the place of its name in other sequences."""
ASCII = 128


def spliced(grammar: Grammar, order: Iterable[int], circular: Collection[int]) -> Grammar:
    """Names of short sequences with characters of their own, such as `"(" ws`, replaced by the sequences.

    Pairs are only seen within one sequence. order: the definitions that matter, each behind those to which it refers.
    circular: those that lead back to themselves, which keep their names.
    """
    splicer = _Splicer(grammar, circular)
    for number in order:
        splicer.splice(number)
    return splicer.grammar


class _Splicer:
    def __init__(self, grammar: Grammar, circular: Collection[int]) -> None:
        self.grammar = Grammar(list(grammar.definitions), grammar.start)
        self._circular = circular

    def splice(self, number: int) -> None:
        own = self.grammar.definitions[number]
        self.grammar.definitions[number] = replace(own, body=self._node(own.body))

    def _node(self, node: Node) -> Node:
        match node:
            case Sequence(parts):
                return sequence([self._part(part) for part in parts])
            case Alternation(parts):
                return Alternation(tuple(map(self._node, parts)))
            case Repeat(part, low, high):
                return Repeat(self._node(part), low, high)
        return node

    def _part(self, node: Node) -> Node:
        number = next(references(node), None) if isinstance(node, Chars) else None
        if number is None or number in self._circular:
            return self._node(node)
        body = self.grammar.definitions[number].body
        parts = body.parts if isinstance(body, Sequence) else (body,)
        return body if len(parts) <= MOST_SPLICED and any(_punctuation(single(part)) for part in parts) else node


def _punctuation(code: int | None) -> bool:
    return code is not None and code < ASCII and not chr(code).isalnum() and not chr(code).isspace()


def choices(grammar: Grammar, component: Collection[int]) -> Iterator[list[Pair]]:
    """For each place at which a member of the component leads back to it, pairs that stand around it, best first."""
    for member in component:
        for parts in _sequences(grammar.definitions[member].body):
            for at, part in enumerate(parts):
                if not component_free(part, component):
                    found = _around(parts, at)
                    if found:
                        yield found


def component_free(node: Node, component: Collection[int]) -> bool:
    """Whether a tree refers to no member of the component."""
    return not any(number in component for number in references(node))


def _sequences(node: Node) -> Iterator[tuple[Node, ...]]:
    if isinstance(node, Sequence):
        yield node.parts
    for part in parts_of(node):
        yield from _sequences(part)


def _around(parts: tuple[Node, ...], at: int) -> list[Pair]:
    codes = [_ascii(part) for part in parts]
    usual = _usual(codes, at)
    openers, closers = _run(codes[:at][::-1]), _run(codes[at + 1 :])
    pairs = [(opener, closer) for opener in openers for closer in closers]
    return list(dict.fromkeys([*usual, *pairs]))


def _ascii(node: Node) -> int | None:
    code = single(node)
    return code if code is not None and code < ASCII else None


def _usual(codes: list[int | None], at: int) -> list[Pair]:
    """The innermost of the usual brackets around a place."""
    for opener in range(at - 1, -1, -1):
        code = codes[opener]
        if code in USUAL and _closer(codes, opener) > at:
            return [(code, USUAL[code])]
    return []


def _closer(codes: list[int | None], opener: int) -> int:
    """Where what opens at `opener` is closed, -1 if it is not."""
    code, depth = codes[opener], 0
    for at in range(opener, len(codes)):
        depth += (codes[at] == code) - (codes[at] == USUAL[code or 0])
        if depth == 0:
            return at
    return -1


def _run(codes: list[int | None]) -> list[int]:
    """The characters that come first, one directly behind the other."""
    found: list[int] = []
    for code in codes:
        if code is not None:
            found.append(code)
        elif found:
            break
    return found


def bracketed(grammar: Grammar, pairs: Collection[Pair], circular: Collection[int]) -> Grammar:
    """The same language, with all that stands between the characters of a pair, in one sequence, in containers.

    A pair that is not both punctuation holds only where what stands between leads to one of `circular`.
    """
    return _Extraction(grammar, pairs, circular).result() if pairs else grammar


@dataclass
class _Open:
    """code: of the character that opened. parts: since then."""

    code: int | None = None
    parts: list[Node] = field(default_factory=list)


class _Extraction:
    def __init__(self, grammar: Grammar, pairs: Collection[Pair], circular: Collection[int]) -> None:
        self._pairs, self._circular = frozenset(pairs), circular
        self._grammar = Grammar(list(grammar.definitions), grammar.start)
        self._containers: dict[tuple[Pair, Node], int] = {}
        self._owner = grammar.definitions[grammar.start]

    def result(self) -> Grammar:
        for number, own in enumerate(list(self._grammar.definitions)):
            self._owner = own
            self._grammar.definitions[number] = replace(own, body=self._node(own.body))
        return self._grammar

    def _node(self, node: Node) -> Node:
        match node:
            case Sequence(parts):
                return self._sequence(tuple(map(self._node, parts)))
            case Alternation(parts):
                return Alternation(tuple(map(self._node, parts)))
            case Repeat(part, low, high):
                return Repeat(self._node(part), low, high)
        return node

    def _sequence(self, parts: tuple[Node, ...]) -> Node:
        stack = [_Open()]
        for part in parts:
            code = _ascii(part)
            opener = None if code is None else self._opener(stack, code)
            if opener is not None:
                self._close(stack, opener, part)
            elif code is not None and any(code == opening for opening, _ in self._pairs):
                stack.append(_Open(code))
            else:
                stack[-1].parts.append(part)
        while len(stack) > 1:
            self._forget(stack)
        return sequence(stack[0].parts)

    def _opener(self, stack: list[_Open], code: int) -> int | None:
        """Where on the stack is what a character closes."""
        for at in range(len(stack) - 1, 0, -1):
            opened = stack[at].code
            if opened is not None and (opened, code) in self._pairs and self._holds((opened, code), stack[at:]):
                return at
        return None

    def _holds(self, pair: Pair, opened: list[_Open]) -> bool:
        if all(map(_punctuation, pair)):
            return True
        return not all(component_free(part, self._circular) for one in opened for part in one.parts)

    def _close(self, stack: list[_Open], at: int, closing: Node) -> None:
        while len(stack) > at + 1:
            self._forget(stack)
        inner = stack.pop()
        code, closer = inner.code, single(closing)
        assert code is not None and closer is not None
        stack[-1].parts.append(letter(self._container((code, closer), sequence(inner.parts))))

    def _forget(self, stack: list[_Open]) -> None:
        """What was opened last is never closed."""
        inner = stack.pop()
        assert inner.code is not None
        stack[-1].parts += [Chars(((inner.code, inner.code),)), *inner.parts]

    def _container(self, pair: Pair, body: Node) -> int:
        number = self._containers.get((pair, body))
        if number is None:
            definition = Definition(self._owner.name, self._owner.line, body, pair)
            number = self._containers[pair, body] = self._grammar.add(definition)
        return number
