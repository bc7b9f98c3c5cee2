"""Responses that others can follow, kept in memory within a budget of bytes and of time."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson

OVERHEAD = 512
"""Bytes that a record, a turn or an item takes beside its JSON, roughly."""
Item = dict[str, Any]
"""An item of a conversation as plain values; each has an `id`."""


@dataclass(eq=False)
class Turn:
    """What one response adds to a conversation: the items it was given, then its output. Never changed.

    before: the conversation that it follows, None for a new one. items: the id and the JSON of each; outputs: how many
    of them, the last ones, are its output. holders: responses and turns that need it.
    """

    before: "Turn | None"
    items: list[tuple[str, bytes]]
    outputs: int
    owner: str | None
    client: str | None
    holders: int = 0

    @cached_property
    def size(self) -> int:
        """Bytes that it takes."""
        return OVERHEAD + sum(len(name) + len(item) + OVERHEAD for name, item in self.items)

    def conversation(self) -> list["Turn"]:
        """The turns up to this one, first first."""
        found: list[Turn] = []
        at: Turn | None = self
        while at is not None:
            found.append(at)
            at = at.before
        return found[::-1]


@dataclass(frozen=True, eq=False)
class StoredResponse:
    """A response that is kept. json: the response itself. expires: on the store's clock. turn: the last of its
    conversation.
    """

    id: str
    json: bytes
    owner: str | None
    client: str | None
    expires: float
    turn: Turn

    @property
    def size(self) -> int:
        """Bytes that it takes beside its turn."""
        return OVERHEAD + len(self.json)

    def input_items(self) -> list[Item]:
        """What it was given, the conversation that it follows included."""
        items = self.items()
        return items[: len(items) - self.turn.outputs]

    def items(self) -> list[Item]:
        """What follows it is given: its input, then its output."""
        return [orjson.loads(item) for turn in self.turn.conversation() for _, item in turn.items]


@dataclass
class ResponseStore:
    """Keeps responses for `seconds`, in at most `most_bytes`.

    An owner, which is an API key, finds its own responses only; without keys everybody is one owner. Where there is no
    room, the oldest response goes of the client that takes most. What conversations have in common is kept once, as
    long as a response needs it.

    clock: seconds, from any beginning.
    """

    most_bytes: int
    seconds: float
    clock: Callable[[], float] = time.monotonic
    bytes: int = 0
    _records: OrderedDict[str, StoredResponse] = field(default_factory=OrderedDict)  # oldest first
    _by_client: dict[str | None, "OrderedDict[str, StoredResponse]"] = field(default_factory=dict)
    _bytes_of: dict[str | None, int] = field(default_factory=dict)
    _turns_with: dict[tuple[str | None, str], list[Turn]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._records)

    def put(
        self,
        response: Item,
        given: Iterable[Item],
        previous: StoredResponse | None,
        owner: str | None,
        client: str | None,
    ) -> bool:
        """Keeps a response that has ended; whether there is room for it.

        given: the items of its request, without those of the response that it follows, `previous`, which may be gone
        from the store meanwhile.
        """
        self._expire()
        items = [(item["id"], orjson.dumps(item)) for item in (*given, *response["output"])]
        turn = Turn(None if previous is None else previous.turn, items, len(response["output"]), owner, client)
        expires = self.clock() + self.seconds
        record = StoredResponse(response["id"], orjson.dumps(response), owner, client, expires, turn)
        if record.size + sum(one.size for one in turn.conversation()) > self.most_bytes:
            return False
        self._records[record.id] = record
        self._by_client.setdefault(client, OrderedDict())[record.id] = record
        self._count(client, record.size)
        self._hold(turn)
        while self.bytes > self.most_bytes:
            self._remove(self._next_to_go())
        return record.id in self._records

    def get(self, response_id: str, owner: str | None) -> StoredResponse | None:
        """The response of that id, if it is kept and the owner's."""
        self._expire()
        record = self._records.get(response_id)
        return record if record is not None and record.owner == owner else None

    def delete(self, response_id: str, owner: str | None) -> bool:
        """Forgets a response; whether there was one. Those that follow it keep what they need."""
        record = self.get(response_id, owner)
        if record is not None:
            self._remove(record)
        return record is not None

    def item(self, item_id: str, owner: str | None) -> Item | None:
        """An item of a conversation of the owner's, if it is kept."""
        self._expire()
        turns = self._turns_with.get((owner, item_id))
        return None if turns is None else orjson.loads(dict(turns[-1].items)[item_id])

    def _expire(self) -> None:
        now = self.clock()
        while self._records:
            oldest = next(iter(self._records.values()))
            if oldest.expires > now:
                break
            self._remove(oldest)

    def _next_to_go(self) -> StoredResponse:
        """The oldest response of the client that takes most."""
        most = max(self._by_client, key=lambda client: self._bytes_of[client])
        return next(iter(self._by_client[most].values()))

    def _remove(self, record: StoredResponse) -> None:
        del self._records[record.id]
        del self._by_client[record.client][record.id]
        if not self._by_client[record.client]:
            del self._by_client[record.client]
        self._count(record.client, -record.size)
        self._release(record.turn)

    def _hold(self, turn: Turn) -> None:
        """A response needs the turn, and so those before it that nobody held."""
        at: Turn | None = turn
        while at is not None:
            at.holders += 1
            if at.holders > 1:
                return
            self._count(at.client, at.size)
            for name in {name for name, _ in at.items}:
                self._turns_with.setdefault((at.owner, name), []).append(at)
            at = at.before

    def _release(self, turn: Turn) -> None:
        at: Turn | None = turn
        while at is not None:
            at.holders -= 1
            if at.holders > 0:
                return
            self._count(at.client, -at.size)
            for name in {name for name, _ in at.items}:
                self._forget((at.owner, name), at)
            at = at.before

    def _forget(self, key: tuple[str | None, str], turn: Turn) -> None:
        turns = self._turns_with[key]
        turns.remove(turn)
        if not turns:
            del self._turns_with[key]

    def _count(self, client: str | None, size: int) -> None:
        self.bytes += size
        self._bytes_of[client] = self._bytes_of.get(client, 0) + size
        if not self._bytes_of[client]:
            del self._bytes_of[client]
