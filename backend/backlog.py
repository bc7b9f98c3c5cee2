"""Places that are all taken: how fast they come free, and when who was refused should come again."""

import math
import random
import time
from collections import deque
from collections.abc import Callable, Hashable

RECENT = 32
"""Endings by which the pace is told."""
LONGEST_SECONDS = 60
MOST_REMEMBERED = 1024
"""Of one client: moments for which it was told to come again."""
EARLY_SECONDS, LATE_SECONDS = 1.0, 2.0
"""Before and after such a moment a place is kept for the client."""


class Backlog:
    """Tells who is refused when to come again, and who is expected.

    Each is given a moment of its own, when as many places will have come free as are wanted by then: behind those of
    who was refused before and has not come yet, of every other client one and of its own all. So no client makes others
    wait by being refused often. Not safe to use from several threads.

    clock: seconds. jitter: a random number between two others, by which clients do not come all at once.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._clock, self._jitter = clock, jitter
        self._began = clock()
        self._endings: deque[tuple[float, int]] = deque(maxlen=RECENT + 1)
        self._expected: dict[Hashable, deque[float]] = {}

    def began(self) -> None:
        """The first place is taken: before this nothing ended because there was nothing."""
        self._began = self._clock()
        self._endings.clear()
        self._endings.append((self._began, 0))

    def ended(self, places: int = 1) -> None:
        """So many places have come free, at a time."""
        self._endings.append((self._clock(), places))

    def retry_after(self, client: Hashable, places: int) -> int:
        """Seconds after which `client` should ask again, who lacks so many places now: 1 to LONGEST_SECONDS.

        That is no longer than places have been taken, or little: how it was is known for no longer.
        """
        now = self._clock()
        self._forget(now)
        own = self._expected.setdefault(client, deque(maxlen=MOST_REMEMBERED))
        ahead = len(own) + len(self._expected) - 1
        least = min(self._seconds(places + ahead, now), now - self._began, (LONGEST_SECONDS - 1) / 1.5)
        seconds = min(LONGEST_SECONDS, max(1, math.ceil(self._jitter(least, 1.5 * least + 1))))
        own.append(now + seconds)
        return seconds

    def comes(self, client: Hashable) -> bool:
        """Whether it was told to come by now; each time that it was told counts once."""
        now = self._clock()
        self._forget(now)
        own = self._expected.get(client)
        if not own or own[0] > now + EARLY_SECONDS:
            return False
        own.popleft()
        return True

    def expected(self) -> int:
        """How many clients were told to come about now, and have not."""
        now = self._clock()
        self._forget(now)
        return sum(bool(moments) and moments[0] <= now + EARLY_SECONDS for moments in self._expected.values())

    def _seconds(self, places: int, now: float) -> float:
        """How long so many will take to end, by the last endings."""
        (since, _), *later = self._endings or [(now, 0)]
        ended = sum(places for _, places in later)
        return (now - since) * places / ended if ended else math.inf

    def _forget(self, now: float) -> None:
        """Whoever has not come."""
        for client, moments in list(self._expected.items()):
            while moments and moments[0] + LATE_SECONDS <= now:
                moments.popleft()
            if not moments:
                del self._expected[client]
