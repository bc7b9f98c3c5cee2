"""Turns of clients: who of those that wait has the next row, and whose prompt is computed next."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial

from backend.engine.adapters import StoredAdapter
from backend.engine.request_state import SequenceState

Client = str | None
Admits = Callable[[StoredAdapter | None], bool]


class WaitingLine:
    """Sequences without a row. Deficit round robin over clients, in which the account of a client is the rows it holds.

    The next row is for the client that holds fewest; of those that hold as many, for the one whose last turn was
    longest ago, where coming to the line is as good as a turn, and one that is preempted has its turn back. Tokens are
    not charged beforehand, since `max_tokens` says little of how long an answer will be: who asks for long ones holds
    its rows for longer. Within a client who came first is first, but for those that were preempted, which go on in the
    order in which they began. Whose grammar is still being compiled comes behind everyone whose grammar is not.

    ticks: ascending numbers, the moments at which turns are.
    """

    def __init__(self, ticks: Iterator[int]) -> None:
        self._waiting: dict[SequenceState, None] = {}
        self._since: dict[Client, int] = {}
        self._clients: Counter[Client] = Counter()
        self._ticks = ticks

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[SequenceState]:
        return iter(self._waiting)

    def __contains__(self, sequence: object) -> bool:
        return sequence in self._waiting

    def add(self, sequences: Iterable[SequenceState]) -> None:
        """Have sequences wait, those that were preempted too: their `turn` says so."""
        for sequence in sequences:
            client = sequence.request.client
            self._waiting[sequence] = None
            self._clients[client] += 1
            since = self._since.get(client)
            if since is None or sequence.turn is not None:
                tick = next(self._ticks) if sequence.turn is None else sequence.turn
                self._since[client] = tick if since is None else min(since, tick)

    def remove(self, sequence: SequenceState) -> None:
        """A sequence waits no more, without having had a turn."""
        client = sequence.request.client
        del self._waiting[sequence]
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client], self._since[client]

    def take(self, sequence: SequenceState) -> None:
        """A sequence has a row from now on: that is its client's turn, and its own `turn` unless it had one."""
        client, tick = sequence.request.client, next(self._ticks)
        self.remove(sequence)
        if client in self._since:
            self._since[client] = tick
        if sequence.turn is None:
            sequence.turn = tick

    def next(self, held: Mapping[Client, int], admits: Admits = lambda adapter: True) -> SequenceState | None:
        """Who has the next row; None where nobody who waits may have one.

        held: the rows of each client that has any. admits: whether sequences with an adapter may have rows now.
        """
        may = (sequence for sequence in self._waiting if admits(sequence.parent.adapter))
        return min(may, key=partial(self._key, held), default=None)

    def in_order(self, held: Mapping[Client, int]) -> list[SequenceState]:
        """All who wait, in the order in which they would have rows if nobody had one meanwhile."""
        return sorted(self._waiting, key=partial(self._key, held))

    def _key(self, held: Mapping[Client, int], sequence: SequenceState) -> tuple[bool, int, int, bool, int, int]:
        client, turn, parent = sequence.request.client, sequence.turn, sequence.parent
        within = (True, parent.arrival, sequence.choice) if turn is None else (False, turn, 0)
        return (not parent.compiled, held.get(client, 0), self._since[client], *within)


class PrefillTurns:
    """Whose prompts are computed next: a call of a prefill program is a turn of the clients that it is for.

    ticks: those of the `WaitingLine`, since getting a row is as good as a turn.
    """

    def __init__(self, ticks: Iterator[int]) -> None:
        self._last: dict[Client, int] = {}
        self._ticks = ticks

    def in_turn(self, sequences: Iterable[SequenceState]) -> list[SequenceState]:
        """Holders of rows, that of the client whose last turn was longest ago first; of each client in their order."""

        def key(sequence: SequenceState) -> tuple[bool, int]:
            assert sequence.turn is not None
            return not sequence.parent.compiled, self._last.get(sequence.request.client, sequence.turn)

        return sorted(sequences, key=key)

    def note(self, computed: Iterable[SequenceState], holders: Collection[SequenceState]) -> None:
        """Prompts of these were computed; clients that are none of the holders' are forgotten."""
        tick = next(self._ticks)
        self._last |= {sequence.request.client: tick for sequence in computed}
        present = {holder.request.client for holder in holders}
        self._last = {client: last for client, last in self._last.items() if client in present}
