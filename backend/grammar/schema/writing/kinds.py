"""Kinds of free property names, so that a finite automaton can know that several names differ."""

from dataclasses import dataclass, field

from backend.grammar.automaton.graph import QUOTE, Graph
from backend.grammar.chars.dfa import CharDfa

MAX_TEXTS = 16
ENDLESS = -1
"""The kind of names of which there are too many to tell apart: several of it may be the same name."""
Kind = tuple[int, int]
"""Number of the cell and of the kind in it."""
Arcs = dict[int, list[tuple[int, int]]]
"""Ranges of code points by the state to which they lead."""


@dataclass(frozen=True)
class FreeNames:
    """The names of a cell.

    arcs: by state of a deterministic automaton whose start is 0; kinds: by state, the kind of the names that end there,
    None where none does. Both are empty where all names (`language`, None: any) are of kind `only`.
    """

    cell: int
    language: CharDfa | None
    arcs: list[Arcs] = field(default_factory=list)
    kinds: list[int | None] = field(default_factory=list)
    only: int = 0

    def all_kinds(self) -> list[Kind]:
        """Every kind of name that there is."""
        numbers = {kind for kind in self.kinds if kind is not None} if self.arcs else {self.only}
        return [(self.cell, number) for number in sorted(numbers)]

    def write(self, graph: Graph, a: int, ends: dict[Kind, int]) -> None:
        """A name of each kind leads from a to the node given for it; there is none for kinds that may not come."""
        if not self.arcs:
            for end in ends.values():
                graph.string(a, self.language, end)
            return
        nodes = [graph.node() for _ in self.arcs]
        graph.character(a, QUOTE, nodes[0])
        for node, arcs, kind in zip(nodes, self.arcs, self.kinds, strict=True):
            for target, ranges in arcs.items():
                graph.characters(node, tuple(ranges), nodes[target])
            if kind is not None and (self.cell, kind) in ends:
                graph.character(node, QUOTE, ends[self.cell, kind])


def free_names(cell: int, language: CharDfa | None, needed: int) -> FreeNames:
    """The names of a cell by kind: different kinds are different names. needed: how many must be known to differ.

    Names of which few exist are a kind each, others are ENDLESS.
    """
    if needed < 2:
        return FreeNames(cell, language)
    texts = None if language is None else _texts_of(language)
    if texts is None:
        return FreeNames(cell, language, only=ENDLESS)
    return FreeNames(cell, language, *_trie(texts))


def _trie(texts: list[str]) -> tuple[list[Arcs], list[int | None]]:
    arcs: list[Arcs] = [{}]
    kinds: list[int | None] = [None]
    states = {"": 0}
    for number, text in enumerate(texts):
        for end in range(1, len(text) + 1):
            if text[:end] not in states:
                states[text[:end]] = len(arcs)
                code = ord(text[end - 1])
                arcs[states[text[: end - 1]]][len(arcs)] = [(code, code)]
                arcs.append({})
                kinds.append(None)
        kinds[states[text]] = number
    return arcs, kinds


def _texts_of(language: CharDfa) -> list[str] | None:
    """The texts of a language, None where they are more than MAX_TEXTS."""
    if language.longest() is None:
        return None
    texts, prefixes = [], [("", 0)]
    while prefixes:
        text, state = prefixes.pop()
        if language.accept[state]:
            texts.append(text)
        for low, high, target in language.next[state]:
            if high - low + len(prefixes) + len(texts) > MAX_TEXTS:
                return None
            prefixes += [(text + chr(code), target) for code in range(low, high + 1)]
    return texts
