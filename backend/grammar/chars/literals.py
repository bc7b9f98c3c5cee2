"""Finite languages: the minimal acyclic automaton of strings, built from them in order (Daciuk et al. 2000)."""

from collections.abc import Iterable
from typing import cast

from backend.grammar.chars.minimise import Arc, Arcs, Transitions, breadth_first


def finite_automaton(strings: Iterable[str]) -> tuple[Transitions, tuple[bool, ...]]:
    """Canonical transitions and acceptance of these strings, but for those with a surrogate: no text holds one."""
    ordered = sorted({string for string in strings if _is_text(string)})
    if not ordered:
        return ((),), (False,)
    graph = _WordGraph()
    for string in ordered:
        graph.add(string)
    return graph.finish()


def _is_text(string: str) -> bool:
    try:
        string.encode()
    except UnicodeEncodeError:
        return False
    return True


class _WordGraph:
    """path: the states along the last string, still open; finished: all others, shared where they are equal.

    A state is its arcs in order, which end in a marker where it accepts.
    """

    def __init__(self) -> None:
        self.string = ""
        self.path: list[list[Arc | None]] = [[]]
        self.finished: dict[tuple[Arc | None, ...], int] = {}

    def add(self, string: str) -> None:
        """Adds a string that sorts after all before it."""
        shared = _common_prefix(string, self.string)
        self.close(shared)
        self.path += [[] for _ in range(len(string) - shared)]
        self.path[-1].append(None)
        self.string = string

    def close(self, depth: int) -> None:
        """Finishes the states of the path below `depth`."""
        finished, path = self.finished, self.path
        for at in range(len(path) - 2, depth - 1, -1):
            target = finished.setdefault(tuple(path.pop()), len(finished))
            code, arcs = ord(self.string[at]), path[at]
            last = arcs[-1] if arcs else None
            if last and last[1] == code - 1 and last[2] == target:
                arcs[-1] = (last[0], code, target)
            else:
                arcs.append((code, code, target))

    def finish(self) -> tuple[Transitions, tuple[bool, ...]]:
        self.close(0)
        states = [*self.finished, tuple(self.path[0])]
        accept = [None in state for state in states]
        transitions = [
            [arc for arc in state if arc] if final else state for state, final in zip(states, accept, strict=True)
        ]
        return breadth_first(cast(list[Arcs], transitions), accept, len(states) - 1)


def _common_prefix(a: str, b: str) -> int:
    for at, (x, y) in enumerate(zip(a, b, strict=False)):
        if x != y:
            return at
    return min(len(a), len(b))
