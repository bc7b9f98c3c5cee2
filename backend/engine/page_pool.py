"""Which pages of the cache are free, which are used and by how many, and which are kept for whoever comes again."""


class PagePool:
    """Counts references per page. A page without references is evictable while it is kept, else free.

    kept pages are those that the radix cache would find again; keeping a page is no reference to it.
    pages: how many there are. first: the number of the first one.
    """

    def __init__(self, pages: int, first: int = 0) -> None:
        self.pages = pages
        numbers = range(first, first + pages)
        self._ref_counts = dict.fromkeys(numbers, 0)
        self._kept = dict.fromkeys(numbers, False)
        self._free = list(reversed(numbers))
        self._evictable = 0

    @property
    def free(self) -> int:
        """How many pages nobody references and the radix cache does not keep."""
        return len(self._free)

    @property
    def evictable(self) -> int:
        """How many pages the radix cache keeps and nobody references."""
        return self._evictable

    def ref_count(self, page: int) -> int:
        """How many references a page has."""
        return self._ref_counts[page]

    def is_kept(self, page: int) -> bool:
        """Whether the radix cache keeps a page, so that it stays when its last reference goes."""
        return self._kept[page]

    def allocate(self) -> int | None:
        """Take a free page, with one reference to it; None if there is none."""
        if not self._free:
            return None
        page = self._free.pop()
        self._ref_counts[page] = 1
        return page

    def retain(self, page: int) -> None:
        """Count one more reference to a page that is not free."""
        assert self._ref_counts[page] or self._kept[page]
        self._evictable -= self._ref_counts[page] == 0
        self._ref_counts[page] += 1

    def release(self, page: int) -> None:
        """Count one reference less; without any the page becomes evictable if it is kept, else free."""
        assert self._ref_counts[page] > 0
        self._ref_counts[page] -= 1
        if self._ref_counts[page] == 0:
            self._let_go(page)

    def keep(self, page: int) -> None:
        """Mark a page, which must be referenced, as kept: it stays when its last reference goes."""
        assert self._ref_counts[page] and not self._kept[page]
        self._kept[page] = True

    def evict(self, page: int) -> None:
        """Free a kept page, which nobody may reference."""
        assert not self._ref_counts[page]
        self.forget(page)

    def forget(self, page: int) -> None:
        """Keep a page no longer; it is free once nobody references it."""
        assert self._kept[page]
        self._kept[page] = False
        if not self._ref_counts[page]:
            self._evictable -= 1
            self._let_go(page)

    def _let_go(self, page: int) -> None:
        if self._kept[page]:
            self._evictable += 1
        else:
            self._free.append(page)
