"""Which states of an automaton can be reached, bracket by bracket."""

from typing import TYPE_CHECKING

from backend.grammar.automaton.tables import DEAD

if TYPE_CHECKING:
    from backend.grammar.automaton.pushdown import PushdownAutomaton


class Modules:
    """Which state was reached in which module, who starts a module and for which reasons it ends."""

    def __init__(self, automaton: "PushdownAutomaton") -> None:
        self._automaton = automaton
        self._seen: set[tuple[int, int]] = set()
        self.work: list[tuple[int, int]] = []
        self._reasons: dict[int, set[int]] = {}
        self._users: dict[int, set[tuple[int, int]]] = {}

    def add(self, module: int, state: int) -> None:
        """Reach a state."""
        if state != DEAD and (module, state) not in self._seen:
            self._seen.add((module, state))
            self.work.append((module, state))

    def visit(self, module: int, state: int) -> None:
        """Follow every arc of a state."""
        automaton = self._automaton
        for after in automaton.following[state]:
            self.add(module, after)
        for frame in automaton.pushes[state]:
            self._use(module, frame)
        for reason in automaton.pops[state]:
            self._end(module, reason)

    def _use(self, module: int, frame: int) -> None:
        automaton = self._automaton
        starts = automaton.frame_start[frame]
        if module == automaton.start and starts[0] == DEAD:
            starts[0] = automaton._start_of(frame, 0)
        inside = starts[1]
        for start in starts:
            self.add(inside, start)
        users = self._users.setdefault(inside, set())
        if (frame, module) not in users:
            users.add((frame, module))
            for reason in self._reasons.get(inside, ()):
                self.add(module, automaton._return(frame, reason))

    def _end(self, module: int, reason: int) -> None:
        reasons = self._reasons.setdefault(module, set())
        if reason not in reasons:
            reasons.add(reason)
            for frame, user in list(self._users.get(module, ())):
                self.add(user, self._automaton._return(frame, reason))
