"""Which definitions lead back to themselves: the strongly connected components of their references (Tarjan, 1972)."""

from collections.abc import Iterable, Iterator, Sequence


def components(edges: Sequence[Sequence[int]], starts: Iterable[int]) -> list[list[int]]:
    """The components that `starts` reach, each behind those that it reaches. edges: by node, where it leads."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    inside: set[int] = set()
    found: list[list[int]] = []
    path: list[tuple[int, Iterator[int]]] = []

    def enter(node: int) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        inside.add(node)
        path.append((node, iter(edges[node])))

    rest_of_starts = iter(starts)
    while True:
        if not path:
            start = next((start for start in rest_of_starts if start not in index), None)
            if start is None:
                return found
            enter(start)
        node, rest = path[-1]
        after = next((to for to in rest if to not in index or to in inside), None)
        if after is not None and after not in index:
            enter(after)
        elif after is not None:
            low[node] = min(low[node], index[after])
        else:
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[node])
            if low[node] == index[node]:
                found.append(_popped(stack, node))
                inside.difference_update(found[-1])


def recursive(component: Sequence[int], edges: Sequence[Sequence[int]]) -> bool:
    """Whether its members lead back to themselves."""
    return len(component) > 1 or component[0] in edges[component[0]]


def _popped(stack: list[int], last: int) -> list[int]:
    """Takes what lies above `last` from the stack, and that."""
    taken = [stack.pop()]
    while taken[-1] != last:
        taken.append(stack.pop())
    return taken
