"""The pool against a plain count of users per page."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from backend.engine.pages import PagePool


class Pool(RuleBasedStateMachine):
    """Each element of `shares` is one user of the page that it names."""

    shares = Bundle("shares")

    @initialize(pages=st.integers(1, 6))
    def make(self, pages: int) -> None:
        self.pages, self.users = pages, dict.fromkeys(range(pages), 0)
        self.pool = PagePool(pages)

    @rule(target=shares)
    def take(self):
        page = self.pool.take()
        if page is None:
            assert all(self.users.values()), "a page is free"
            return multiple()
        assert self.users[page] == 0, "the page has users"
        self.users[page] = 1
        return page

    @rule(target=shares, page=shares)
    def share(self, page: int) -> int:
        self.pool.share(page)
        self.users[page] += 1
        return page

    @rule(page=consumes(shares))
    def release(self, page: int) -> None:
        self.pool.release(page)
        self.users[page] -= 1

    @invariant()
    def counts_are_true(self) -> None:
        assert [self.pool.users(page) for page in range(self.pages)] == list(self.users.values())
        assert self.pool.free == sum(users == 0 for users in self.users.values())


Pool.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestPool = Pool.TestCase


@given(pages=st.integers(1, 50))
def test_every_page_can_be_taken_once_and_again_after_its_release(pages: int) -> None:
    pool = PagePool(pages)
    for _ in range(2):
        taken = [pool.take() for _ in range(pages)]
        assert sorted(taken) == list(range(pages))
        assert pool.take() is None and pool.free == 0
        for page in taken:
            pool.release(page)
        assert pool.free == pages


@pytest.mark.parametrize("misuse", [PagePool.share, PagePool.release])
def test_a_free_page_can_be_neither_shared_nor_released(misuse) -> None:
    pool = PagePool(2)
    page = pool.take()
    pool.release(page)
    with pytest.raises(AssertionError):
        misuse(pool, page)
    assert pool.free == 2
