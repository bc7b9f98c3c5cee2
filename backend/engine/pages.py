"""Which pages of the cache are free, and how many use each of the others."""


class PagePool:
    """Counts users per page; a page is free while it has none."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self._users = [0] * pages
        self._free = list(range(pages - 1, -1, -1))

    @property
    def free(self) -> int:
        """Pages that nobody uses."""
        return len(self._free)

    def users(self, page: int) -> int:
        """How many use a page."""
        return self._users[page]

    def take(self) -> int | None:
        """A free page, which has one user now; None if there is none."""
        if not self._free:
            return None
        page = self._free.pop()
        self._users[page] = 1
        return page

    def share(self, page: int) -> None:
        """One user more for a page that is in use."""
        assert self._users[page] > 0
        self._users[page] += 1

    def release(self, page: int) -> None:
        """One user less; the last one frees it."""
        assert self._users[page] > 0
        self._users[page] -= 1
        if self._users[page] == 0:
            self._free.append(page)
