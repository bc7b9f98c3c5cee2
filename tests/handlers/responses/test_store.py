"""The store: whatever is put, followed, forgotten and outlived, what it holds is right and within its budgets."""

import json
from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from handlers.responses.store import OVERHEAD, ResponseStore

OWNERS = st.sampled_from(["key a", "key b"])
CLIENTS = st.sampled_from(["1.1.1.1", "2.2.2.2", "3.3.3.3"])
SECONDS = 10.0
PICK = st.integers(0, 10**6)


def item(item_id, text=""):
    return {"id": item_id, "type": "message", "role": "user", "content": text}


class Store(RuleBasedStateMachine):
    """Beside it, `known` has every response that was ever kept, with all that belongs to it, and `gone` those that must
    not be found any more.
    """

    most_bytes = 10_000

    def __init__(self):
        super().__init__()
        self.now, self.count, self.known, self.gone = 0.0, 0, {}, set()
        self.store = ResponseStore(self.most_bytes, SECONDS, lambda: self.now)

    def found(self):
        return [one for one in self.known.values() if self.store.get(one.id, one.owner) is not None]

    @rule(owner=OWNERS, client=CLIENTS, follows=st.none() | PICK, sizes=st.lists(st.integers(0, 900), max_size=3))
    def put(self, owner, client, follows, sizes):
        mine = [one for one in self.found() if one.owner == owner]
        previous = mine[follows % len(mine)] if mine and follows is not None else None
        self.count += 1
        given = [item(f"in{self.count % 3}{i}", "x" * size) for i, size in enumerate(sizes)]  # ids may come again
        output = [item(f"out{self.count}", "y" * 10)]
        response = {"id": f"resp{self.count}", "output": output}
        record = self.store.get(previous.id, owner) if previous else None
        before = self.found()
        kept = self.store.put(response, given, record, owner, client)
        history = previous.items if previous else []
        new = SimpleNamespace(
            id=response["id"], owner=owner, client=client, inputs=[*history, *given], items=[*history, *given, *output],
            expires=self.now + SECONDS, json=response,
        )  # fmt: skip
        assert kept == (self.store.get(new.id, owner) is not None)
        if kept:
            self.known[new.id] = new
        self.gone |= {one.id for one in before if self.store.get(one.id, one.owner) is None}

    @rule(owner=OWNERS, which=PICK)
    def delete(self, owner, which):
        if self.known:
            one = list(self.known.values())[which % len(self.known)]
            there = self.store.get(one.id, owner) is not None
            assert self.store.delete(one.id, owner) == there
            assert self.store.get(one.id, owner) is None
            if there:
                self.gone.add(one.id)

    @rule(seconds=st.floats(0, SECONDS))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def what_is_found_is_what_was_put_and_its_owners(self):
        for one in self.known.values():
            other = {"key a": "key b", "key b": "key a"}[one.owner]
            record = self.store.get(one.id, one.owner)
            assert self.store.get(one.id, other) is None
            if record is None:
                self.gone.add(one.id)
                continue
            assert one.id not in self.gone and self.now < one.expires
            assert json.loads(record.json) == one.json
            assert record.input_items() == one.inputs and record.items() == one.items
            assert all(self.store.item(part["id"], one.owner) is not None for part in one.items)
            assert all(self.store.item(part["id"], other) != part for part in one.items if part["id"][:3] == "out")

    @invariant()
    def its_bytes_are_those_of_what_it_holds(self):
        records = [self.store.get(one.id, one.owner) for one in self.found()]
        turns = {id(turn): turn for record in records for turn in record.turn.conversation()}
        assert self.store.bytes == sum(record.size for record in records) + sum(turn.size for turn in turns.values())
        assert self.store.bytes <= self.most_bytes and len(self.store) == len(records)

    def teardown(self):
        self.now += 2 * SECONDS
        assert self.store.get("any", None) is None
        assert (self.store.bytes, len(self.store)) == (0, 0)
        assert not self.store._turns_with and not self.store._bytes_of and not self.store._by_client


class Roomy(Store):
    """Where there is room nothing goes before its time."""

    most_bytes = 10**9

    @invariant()
    def nothing_is_lost(self):
        for one in self.known.values():
            kept = self.store.get(one.id, one.owner) is not None
            assert kept or self.now >= one.expires or one.id in self.gone

    @rule(owner=OWNERS, client=CLIENTS)
    def put_alone(self, owner, client):
        before = len(self.store)
        self.put(owner, client, None, [900])
        assert len(self.store) == before + 1


FEW = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestStore, TestRoomy = Store.TestCase, Roomy.TestCase
TestStore.settings = TestRoomy.settings = FEW


def put(store, name, client, size, previous=None):
    return store.put(
        {"id": name, "output": [item(f"{name}-out")]}, [item(f"{name}-in", "x" * size)], previous, None, client
    )


def test_the_oldest_goes_of_the_client_that_takes_most():
    store = ResponseStore(40_000, SECONDS)
    assert put(store, "small", "quiet", 1)
    for i in range(30):
        assert put(store, f"large{i}", "hog", 3000)
    assert store.get("small", None) is not None and store.get("large29", None) is not None
    kept = [i for i in range(30) if store.get(f"large{i}", None) is not None]
    assert kept == list(range(kept[0], 30)) and kept[0] > 0


def test_what_is_larger_than_the_store_is_not_kept_and_drives_nothing_out():
    store = ResponseStore(10 * OVERHEAD, SECONDS)
    assert put(store, "small", "a", 1)
    assert not put(store, "large", "b", 10 * OVERHEAD)
    assert store.get("small", None) is not None


def test_long_conversations_share_what_they_have_in_common():
    length, store = 500, ResponseStore(10**9, SECONDS)
    for i in range(length):
        assert put(store, f"r{i}", "a", 1, store.get(f"r{i - 1}", None))
    assert store.bytes < length * 10 * OVERHEAD
    for i in range(length - 1):
        store.delete(f"r{i}", None)
    assert len(store.get(f"r{length - 1}", None).items()) == 2 * length
    store.delete(f"r{length - 1}", None)
    assert store.bytes == 0
