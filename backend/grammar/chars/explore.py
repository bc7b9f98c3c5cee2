"""From a function that names the successors of a state to the arcs of all states that can be reached."""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from backend.grammar.chars.minimise import Arc
from backend.grammar.errors import GrammarError

State = TypeVar("State", bound=Hashable)
Outcome = TypeVar("Outcome")


def explore(
    start: State,
    moves: Callable[[State], Iterable[tuple[int, int, State]]],
    outcome: Callable[[State], Outcome],
    limit: int,
    subject: str,
) -> tuple[list[list[Arc]], list[Outcome]]:
    """Arcs and outcomes (such as acceptance) by state, `start` first; not minimal.

    moves: the arcs (low, high, state) of a state, sorted and disjoint. Raises GrammarError, which says that `subject`
    is too large, beyond `limit` states.
    """
    number = {start: 0}
    order = [start]
    transitions = []
    for state in order:
        arcs = []
        for low, high, target in moves(state):
            at = number.get(target)
            if at is None:
                at = number[target] = len(order)
                order.append(target)
                if at >= limit:
                    raise GrammarError(f"{subject} needs more than {limit} states")
            arcs.append((low, high, at))
        transitions.append(arcs)
    return transitions, [outcome(state) for state in order]
