"""The radix cache against a dictionary from whole prefixes to pages, searched by brute force."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from backend.engine.page_pool import PagePool
from backend.engine.radix_cache import RadixCache

Tokens = tuple[int, ...]
prompts = st.lists(st.integers(0, 1), max_size=9).map(tuple)  # two tokens: most prompts have a beginning in common


def keys(tokens: Tokens, page_tokens: int) -> list[Tokens]:
    """Of the whole pages of `tokens`, by their tokens alone."""
    return [tokens[start : start + page_tokens] for start in range(0, len(tokens) - page_tokens + 1, page_tokens)]


@dataclass
class Known:
    """What the tree should know of one prefix: its page, and when it was matched or inserted last."""

    page: int
    used: int


class Model:
    """prefixes: from every known prefix, whole pages long, to its last page."""

    def __init__(self, page_tokens: int) -> None:
        self.page_tokens, self.clock = page_tokens, 0
        self.prefixes: dict[Tokens, Known] = {}

    def path(self, tokens: Tokens) -> list[Tokens]:
        """The prefixes of `tokens` that are whole pages long, shortest first."""
        size = self.page_tokens
        return [tokens[: size * (i + 1)] for i in range(len(tokens) // size)]

    def match(self, tokens: Tokens) -> list[int]:
        self.clock += 1
        found = []
        for prefix in self.path(tokens):
            if prefix not in self.prefixes:
                break
            self.prefixes[prefix].used = self.clock
            found.append(self.prefixes[prefix].page)
        return found

    def insert(self, tokens: Tokens, pages: list[int]) -> None:
        self.clock += 1
        for prefix, page in zip(self.path(tokens), pages, strict=False):
            self.prefixes.setdefault(prefix, Known(page, 0)).used = self.clock

    def evict(self, count: int, held: list[int]) -> int:
        """One leaf after the other, the longest unused first; a leaf is what no longer prefix goes on from."""
        for done in range(count):
            parents = {prefix[: -self.page_tokens] for prefix in self.prefixes}
            leaves = [p for p, known in self.prefixes.items() if p not in parents and known.page not in held]
            if not leaves:
                return done
            del self.prefixes[min(leaves, key=lambda prefix: self.prefixes[prefix].used)]
        return count

    def forget(self, tokens: Tokens) -> None:
        first = self.path(tokens)[:1]
        self.prefixes = {p: known for p, known in self.prefixes.items() if [p[: self.page_tokens]] != first}


class Tree(RuleBasedStateMachine):
    """Callers hold the pages of a sequence, one more where it ends within a page; all of this as the engine does it."""

    callers = Bundle("callers")

    @initialize(pages=st.integers(1, 10), page_tokens=st.integers(1, 3))
    def make(self, pages: int, page_tokens: int) -> None:
        self.pages, self.page_tokens = pages, page_tokens
        self.pool = PagePool(pages)
        self.tree = RadixCache(self.pool)
        self.model = Model(page_tokens)
        self.held: list[int] = []

    def match(self, tokens: Tokens) -> list[int]:
        found = list(self.tree.match(keys(tokens, self.page_tokens)))
        assert found == self.model.match(tokens)
        self.held += found
        return found

    def evict(self, count: int) -> int:
        evicted = self.tree.evict(count)
        assert evicted == self.model.evict(count, self.held)
        return evicted

    @rule(target=callers, tokens=prompts, look=st.booleans())
    def start(self, tokens: Tokens, look: bool) -> tuple[Tokens, list[int]]:
        """Pages for `tokens`, as many as there are; without a look each is new, also where the tree has one."""
        pages = self.match(tokens) if look else []
        while len(pages) * self.page_tokens < len(tokens):
            if self.pool.free == 0 and not self.evict(1):
                break
            pages.append(self.pool.allocate())
            self.held.append(pages[-1])
        return tokens[: len(pages) * self.page_tokens], pages

    @rule(caller=callers)
    def insert(self, caller: tuple[Tokens, list[int]]) -> None:
        tokens, pages = caller
        self.tree.insert(keys(tokens, self.page_tokens), pages)
        self.model.insert(*caller)

    @rule(caller=callers)
    def forget(self, caller: tuple[Tokens, list[int]]) -> None:
        self.tree.forget(keys(caller[0], self.page_tokens))
        self.model.forget(caller[0])

    @rule(target=callers, caller=consumes(callers), kept=st.integers(0, 9))
    def shrink(self, caller: tuple[Tokens, list[int]], kept: int) -> tuple[Tokens, list[int]]:
        tokens, pages = caller
        for page in pages[kept:]:
            self.pool.release(page)
            self.held.remove(page)
        return tokens[: kept * self.page_tokens], pages[:kept]

    @rule(caller=consumes(callers))
    def leave(self, caller: tuple[Tokens, list[int]]) -> None:
        self.shrink(caller, 0)

    @rule(count=st.integers(0, 4))
    def make_room(self, count: int) -> None:
        self.evict(count)

    @invariant()
    def every_page_is_held_or_kept_or_free(self) -> None:
        of_tree = {known.page for known in self.model.prefixes.values()}
        assert [self.pool.ref_count(page) for page in range(self.pages)] == list(
            map(self.held.count, range(self.pages))
        )
        assert {page for page in range(self.pages) if self.pool.is_kept(page)} == of_tree
        assert self.pool.free == self.pages - len(of_tree | set(self.held))
        assert self.pool.evictable == len(of_tree - set(self.held))


Tree.TestCase.settings = settings(max_examples=150, stateful_step_count=40)
TestTree = Tree.TestCase


@given(sequences=st.lists(prompts, max_size=6), page_tokens=st.integers(1, 3))
def test_all_of_it_can_be_evicted_once_nobody_holds_any(sequences: list[Tokens], page_tokens: int) -> None:
    pool = PagePool(100)
    tree = RadixCache(pool)
    for tokens in sequences:
        pages = [pool.allocate() for _ in range(len(tokens) // page_tokens)]
        tree.insert(keys(tokens, page_tokens), pages)
        for page in pages:
            pool.release(page)
    assert pool.evictable == 100 - pool.free == tree.evict(1000)
    assert pool.free == 100 and pool.evictable == 0
    assert all(tree.match(keys(tokens, page_tokens)) == [] for tokens in sequences)


uses = st.lists(st.tuples(st.sampled_from(["remember", "ask", "evict"]), st.lists(st.integers(0, 2), max_size=4)))


@settings(max_examples=200)
@given(uses=uses.filter(lambda uses: len(uses) > 4))
def test_the_longest_unused_leaf_goes_first(uses: list[tuple[str, list[int]]]) -> None:
    """Nobody holds anything for long, and all is evicted in the end, so that only the order of uses matters."""
    pool, model = PagePool(200), Model(1)
    tree = RadixCache(pool)
    for use, listed in (*uses, *[("evict", [])] * 200):
        tokens = tuple(listed)
        if use == "evict":
            assert tree.evict(1) == model.evict(1, [])
        elif use == "ask":
            pages = tree.match(keys(tokens, 1))
            assert pages == model.match(tokens)
        else:
            pages = [pool.allocate() for _ in tokens]
            tree.insert(keys(tokens, 1), pages)
            model.insert(tokens, pages)
        if use != "evict":
            for page in pages:
                pool.release(page)
        known = {prefix.page for prefix in model.prefixes.values()}
        assert {page for page in range(200) if pool.is_kept(page)} == known


def test_what_is_asked_for_again_and_again_stays() -> None:
    pool = PagePool(4)
    tree = RadixCache(pool)
    popular = pool.allocate()
    tree.insert(keys((0, 0), 2), [popular])
    pool.release(popular)
    for i in range(1, 50):
        (found,) = tree.match(keys((0, 0, i), 2))
        assert found == popular
        page = pool.allocate()
        if page is None:
            assert tree.evict(1) == 1
            page = pool.allocate()
        tree.insert(keys((i, i), 2), [page])
        pool.release(page)
        pool.release(found)
