"""The pages of the choices: taken from the pool, shared with whoever has the same beginning, remembered for later."""

from backend.engine.config import EngineConfig
from backend.engine.job import Choice
from backend.engine.pages import PagePool
from backend.engine.prefixes import PrefixTree


class Cache:
    """Owns the pool and the prefix tree. A choice is one user of each of its pages.

    Only whole pages are shared; a page that a choice still writes to is its own. In a deterministic engine only what
    prefill programs computed is reused, in multiples of their chunk: decoding the same token may round differently.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._pool = PagePool(config.pages)
        self._tree = PrefixTree(self._pool, config.page_tokens)

    @property
    def unused(self) -> int:
        """Pages that are remembered and that no choice uses."""
        return self._tree.unused

    @property
    def used(self) -> int:
        """Pages that choices use."""
        return self._pool.pages - self._pool.free - self.unused

    def has(self, pages: int) -> bool:
        """Whether so many pages could be taken now."""
        return pages <= self._pool.free or pages <= self._pool.free + self._tree.unused

    def grow(self, choice: Choice, positions: int) -> bool:
        """Give the choice pages for so many positions; False where there are not enough, it keeps those it got."""
        while len(choice.pages) < self._config.pages_for(positions):
            page = self._pool.take()
            if page is None and self._tree.evict(1):
                page = self._pool.take()
            if page is None:
                return False
            choice.pages.append(page)
        return True

    def reuse(self, choice: Choice) -> None:
        """Let the choice go on behind the longest known prefix of its tokens, if that is further than it is."""
        unit = self._config.chunk if self._config.deterministic else self._config.page_tokens
        if choice.cached % unit or choice.remaining < unit:
            return
        pages = self._tree.match(choice.tokens[: choice.length - 1])
        known = len(pages) * self._config.page_tokens // unit * unit
        if known > choice.cached:
            kept = self._config.pages_for(known)
            self._release(choice.pages[:kept])
            choice.pages[:kept], pages = pages[:kept], pages[kept:]
            choice.matched += known - choice.cached
            choice.cached = known
        self._release(pages)

    def remember(self, choice: Choice) -> None:
        """Let others reuse what is computed of the choice; where the cache has it twice, the choice's own goes."""
        filled = choice.cached
        if self._config.deterministic:
            filled = min(filled, len(choice.job.request.prompt) - 1)
        whole = filled // self._config.page_tokens
        tokens = choice.tokens[: whole * self._config.page_tokens]
        self._tree.insert(tokens, choice.pages[:whole])
        own, choice.pages[:whole] = choice.pages[:whole], self._tree.match(tokens)
        self._release(own)

    def share(self, choice: Choice, source: Choice) -> None:
        """Let the choice use the whole pages of its prompt that a sibling has filled."""
        whole = (len(choice.job.request.prompt) - 1) // self._config.page_tokens
        shared = source.pages[:whole]
        for page in shared:
            self._pool.share(page)
        own, choice.pages[:whole] = choice.pages[:whole], shared
        self._release(own)
        choice.cached = whole * self._config.page_tokens

    def release(self, choice: Choice) -> None:
        """Take all pages back; what is worth it stays remembered."""
        self.remember(choice)
        self._release(choice.pages)
        choice.pages, choice.cached, choice.matched = [], 0, 0

    def _release(self, pages: list[int]) -> None:
        for page in pages:
            self._pool.release(page)
