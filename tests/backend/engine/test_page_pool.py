"""The pool against a plain count of references per page, and a set of those that are kept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from backend.engine.page_pool import PagePool


class Pool(RuleBasedStateMachine):
    """Each element of `shares` is one reference to the page that it names."""

    shares = Bundle("shares")

    @initialize(pages=st.integers(1, 6))
    def make(self, pages: int) -> None:
        self.pages, self.refs, self.kept = pages, dict.fromkeys(range(pages), 0), set()
        self.pool = PagePool(pages)

    @rule(target=shares)
    def allocate(self):
        page = self.pool.allocate()
        if page is None:
            assert all(self.refs[page] or page in self.kept for page in range(self.pages)), "a page is free"
            return multiple()
        assert self.refs[page] == 0 and page not in self.kept, "the page is not free"
        self.refs[page] = 1
        return page

    @rule(target=shares, page=shares)
    def retain(self, page: int) -> int:
        self.pool.retain(page)
        self.refs[page] += 1
        return page

    @rule(target=shares, data=st.data())
    def retain_again(self, data: st.DataObject):
        """What is kept may be referenced again after its last reference went."""
        if not self.kept:
            return multiple()
        return self.retain(data.draw(st.sampled_from(sorted(self.kept))))

    @rule(page=shares)
    def keep(self, page: int) -> None:
        if page not in self.kept:
            self.pool.keep(page)
            self.kept.add(page)

    @rule(data=st.data())
    def evict(self, data: st.DataObject) -> None:
        evictable = sorted(page for page in self.kept if not self.refs[page])
        if evictable:
            page = data.draw(st.sampled_from(evictable))
            self.pool.evict(page)
            self.kept.remove(page)

    @rule(page=consumes(shares))
    def release(self, page: int) -> None:
        self.pool.release(page)
        self.refs[page] -= 1

    @invariant()
    def counts_are_true(self) -> None:
        assert [self.pool.ref_count(page) for page in range(self.pages)] == list(self.refs.values())
        assert {page for page in range(self.pages) if self.pool.is_kept(page)} == self.kept
        assert self.pool.free == sum(not refs and page not in self.kept for page, refs in self.refs.items())
        assert self.pool.evictable == sum(not self.refs[page] for page in self.kept)


Pool.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestPool = Pool.TestCase


@given(pages=st.integers(1, 50))
def test_every_page_can_be_taken_once_and_again_after_its_release(pages: int) -> None:
    pool = PagePool(pages)
    for _ in range(2):
        taken = [pool.allocate() for _ in range(pages)]
        assert sorted(taken) == list(range(pages))
        assert pool.allocate() is None and pool.free == 0
        for page in taken:
            pool.release(page)
        assert pool.free == pages


@pytest.mark.parametrize("misuse", [PagePool.retain, PagePool.release, PagePool.keep, PagePool.evict])
def test_a_free_page_can_be_neither_retained_nor_released_nor_kept_nor_evicted(misuse) -> None:
    pool = PagePool(2)
    page = pool.allocate()
    pool.release(page)
    with pytest.raises(AssertionError):
        misuse(pool, page)
    assert pool.free == 2
