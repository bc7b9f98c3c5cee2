"""The places of choices that run or wait: how many one client may take, and when who gets none should come again."""

from collections import Counter

from backend.backlog import Backlog
from backend.request import QueueFull

SHARE = 3
"""A client may have so many times as many places as stay free: three quarters of all if it is alone."""
KEPT = 4
"""One in so many places may be kept free for clients that were told to come about now."""


def most_together(size: int) -> int:
    """How many of `size` places a client that is alone may take with several requests; with one it may take all."""
    return max(1, SHARE * size // (SHARE + 1))


class Places:
    """`size` places, of which some stay free for whoever has none, however many clients take as many as they can.

    A client that has no place may take all that are free. A place that has come free is for who was told to come for
    it, and not for who asks just then. Not safe to use from several threads.
    """

    def __init__(self, size: int, backlog: Backlog | None = None) -> None:
        self._size, self._backlog = size, backlog or Backlog()
        self._taken: Counter[str | None] = Counter()

    def take(self, client: str | None, count: int) -> None:
        """Take places for the choices of a request. Raises QueueFull where that is too many now."""
        kept = 0 if self._backlog.comes(client) else min(self._backlog.expected(), self._size // KEPT)
        lacking = self._lacking(client, count, kept)
        if lacking:
            raise QueueFull(self._backlog.retry_after(client, lacking))
        if not self._taken:
            self._backlog.began()
        self._taken[client] += count

    def give_back(self, client: str | None, count: int) -> None:
        """The request has ended."""
        self._backlog.ended(count)
        self._taken[client] -= count
        if not self._taken[client]:
            del self._taken[client]

    def _lacking(self, client: str | None, count: int, kept: int = 0) -> int:
        """How many places must be given back first, of the client's own if it has its share; 0 for none."""
        own = self._taken.get(client, 0)
        left = self._size - self._taken.total() - count
        beyond_share = own + count - SHARE * left if own else 0
        return max(0, kept - left if kept else 0, -left, -(-beyond_share // (SHARE + 1)))
