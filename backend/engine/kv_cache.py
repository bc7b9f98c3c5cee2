"""The pages of the sequences: taken from the pool, shared with whoever has the same beginning, kept for later."""

from collections.abc import Sequence

from backend.engine.config import EngineConfig
from backend.engine.page_pool import PagePool
from backend.engine.radix_cache import PageKey, RadixCache
from backend.engine.request_state import SequenceState


class KVCacheManager:
    """Owns the pool and the radix cache of a group of rows. A sequence has one reference to each of its pages.

    Only whole pages are shared; a page that a sequence still writes to is its own. In a deterministic engine only what
    prefill programs computed is reused, in multiples of their chunk: decoding the same token may round differently, and
    so may scoring it.
    """

    def __init__(self, config: EngineConfig, group: int = 0) -> None:
        self._config = config
        self._shares = config.pooling is None or config.pooling.reads_last_alone
        self._pool = PagePool(config.pages, group * config.pages)
        self._tree = RadixCache(self._pool)

    @property
    def num_evictable(self) -> int:
        """How many pages are kept for reuse and used by no sequence."""
        return self._pool.evictable

    @property
    def num_used(self) -> int:
        """How many pages sequences use, each counted once."""
        return self._pool.pages - self._pool.free - self._pool.evictable

    @property
    def num_available(self) -> int:
        """How many pages are free or evictable now."""
        return self._pool.free + self._pool.evictable

    def can_allocate(self, pages: int) -> bool:
        """Whether `pages` pages are free or evictable now."""
        return pages <= self.num_available

    def missing(self, sequence: SequenceState, positions: int) -> int:
        """How many pages the sequence lacks to hold `positions` positions."""
        return max(0, self._config.pages_for(positions) - len(sequence.pages))

    def allocate(self, sequence: SequenceState, positions: int) -> bool:
        """Give the sequence pages for `positions` positions; False if there are too few: it keeps those it got."""
        for _ in range(self.missing(sequence, positions)):
            page = self._pool.allocate()
            if page is None and self._tree.evict(1):
                page = self._pool.allocate()
            if page is None:
                return False
            sequence.pages.append(page)
        return True

    def num_reusable(self, sequence: SequenceState) -> int:
        """How many positions of a sequence without pages `match_prefix` would give it."""
        return self._whole(self._tree.depth(self._keys(sequence, self._reusable(sequence))))

    def match_prefix(self, sequence: SequenceState) -> None:
        """Give the sequence the pages of its longest cached prefix, if that is more than it has computed."""
        if sequence.num_computed % self._unit or sequence.num_uncomputed < self._unit:
            return
        pages = self._tree.match(self._keys(sequence, self._reusable(sequence)))
        known = self._whole(len(pages))
        if known > sequence.num_computed:
            shared = self._config.pages_for(known)
            self._release(sequence.pages[:shared])
            sequence.pages[:shared], pages = pages[:shared], pages[shared:]
            sequence.num_cached += known - sequence.num_computed
            sequence.num_computed = known
        self._release(pages)

    @property
    def _unit(self) -> int:
        """Positions are taken over in multiples of so many."""
        return self._config.chunk if self._config.deterministic else self._config.page_tokens

    def _whole(self, pages: int) -> int:
        """How many positions are taken over of so many pages."""
        return pages * self._config.page_tokens // self._unit * self._unit

    def _reusable(self, sequence: SequenceState) -> int:
        """How many positions may be taken over, if they are there: of a prompt that is scored those that were.

        Of one that is pooled none, but where its last token is all that counts.
        In a deterministic engine none behind the first that see both ways: from there on chunks are cut elsewhere.
        """
        positions = sequence.parent.num_scored if sequence.is_scored else len(sequence.tokens) - 1
        if not self._shares:
            return 0
        if self._config.deterministic:
            both_ways = (span.start for span in sequence.request.prompt.spans if span.both_ways)
            positions = min(positions, next(both_ways, positions))
        return positions

    def insert_prefix(self, sequence: SequenceState) -> None:
        """Cache the whole pages that are computed of the sequence; where one is cached already it takes that one."""
        positions = sequence.num_computed if self._shares else 0
        if self._config.deterministic:
            positions = 0 if sequence.request.prompt_logprobs else min(positions, sequence.num_prompt - 1)
        keys = self._keys(sequence, positions)
        self._tree.insert(keys, sequence.pages[: len(keys)])
        own, sequence.pages[: len(keys)] = sequence.pages[: len(keys)], self._tree.match(keys)
        self._release(own)

    def share_prompt(self, sequence: SequenceState, source: SequenceState) -> None:
        """Give the sequence the whole pages of its prompt that `source`, of the same request, has computed."""
        whole = (sequence.num_prompt - 1) // self._config.page_tokens
        shared = source.pages[:whole]
        for page in shared:
            self._pool.retain(page)
        own, sequence.pages[:whole] = sequence.pages[:whole], shared
        self._release(own)
        sequence.num_computed = whole * self._config.page_tokens

    def release(self, sequence: SequenceState) -> None:
        """Take all pages from the sequence; those that are computed and whole stay cached until they are evicted."""
        self.insert_prefix(sequence)
        self._release(sequence.pages)
        sequence.pages, sequence.num_computed, sequence.num_cached = [], 0, 0

    def forget(self, sequence: SequenceState) -> None:
        """Take all pages from the sequence; neither they nor others that begin with them are found again."""
        self._tree.forget(self._keys(sequence, sequence.num_computed))
        self._release(sequence.pages)
        sequence.pages, sequence.num_computed, sequence.num_cached = [], 0, 0

    def _keys(self, sequence: SequenceState, positions: int) -> Sequence[PageKey]:
        """Of the pages that are whole within the first `positions`."""
        page_tokens = self._config.page_tokens
        return sequence.page_keys(positions // page_tokens, page_tokens)

    def _release(self, pages: Sequence[int]) -> None:
        for page in pages:
            self._pool.release(page)
