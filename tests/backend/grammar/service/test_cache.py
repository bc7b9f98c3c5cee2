"""What is kept is what was put, the oldest goes first, and a disk that fails or lies costs time only."""

import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar.service.cache import DiskCache, MemoryCache
from tests.backend.grammar.service.stand_in import make_tables

ONE = make_tables(1).nbytes
FILE = len(make_tables(1).to_bytes())


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans() | st.integers(1, 500))), st.integers(0, 8 * ONE))
def test_memory_holds_the_latest_that_fit(steps, size):
    cache, oracle = MemoryCache(size), {}  # the oracle: a dictionary in the order of use
    for key, step in steps:
        if isinstance(step, bool):
            found = oracle.pop(key, None)
            assert cache.get(key) is found
            if found is not None:
                oracle[key] = found
            continue
        oracle.pop(key, None)
        oracle[key] = make_tables(step)
        cache.put(key, oracle[key])
        while sum(tables.nbytes for tables in oracle.values()) > size:
            del oracle[next(iter(oracle))]
    assert all(cache.get(key) is oracle.get(key) for key in "abcdef")


def test_the_disk_gives_what_it_was_given_also_to_another_cache(tmp_path):
    folder = tmp_path / "not" / "there" / "yet"
    tables = make_tables(5)
    DiskCache(folder, 1 << 20).put("key", tables.to_bytes())
    found = DiskCache(folder, 1 << 20).get("key")
    assert found.to_bytes() == tables.to_bytes()
    assert DiskCache(folder, 1 << 20).get("other") is None
    assert [file.name for file in folder.iterdir()] == ["key.tables"]


@pytest.mark.parametrize("harm", [
    lambda data: b"",
    lambda data: data[: len(data) // 2],
    lambda data: b"\x80\x04N." + data,  # a pickle
    lambda data: data.replace(b"counters", b"countess"),
    lambda data: replace(make_tables(5), start=6).to_bytes(),
])  # fmt: skip
def test_a_file_that_does_not_hold_tables_is_removed(tmp_path, harm, caplog):
    cache = DiskCache(tmp_path, 1 << 20)
    cache.put("key", harm(make_tables(5).to_bytes()))
    assert cache.get("key") is None
    assert not any(tmp_path.iterdir()) and "key.tables" in caplog.text


@given(place=st.integers(0, FILE - 1), change=st.integers(1, 255))
def test_one_wrong_byte_is_found_or_changes_nothing(tmp_path_factory, place, change):
    cache, data = DiskCache(tmp_path_factory.mktemp("cache"), 1 << 20), bytearray(make_tables(1).to_bytes())
    data[place] ^= change
    cache.put("key", bytes(data))
    found = cache.get("key")
    assert found is None or found.to_bytes() == make_tables(1).to_bytes()


def test_the_disk_is_bounded_and_those_unused_for_longest_go_first(tmp_path):
    cache = DiskCache(tmp_path, 3 * FILE)
    for n, key in enumerate("abc"):
        cache.put(key, make_tables(1).to_bytes())
        os.utime(tmp_path / f"{key}.tables", ns=(n, n))
    assert cache.get("a")  # used now
    cache.put("d", make_tables(1).to_bytes())
    assert {file.stem for file in tmp_path.iterdir()} == {"a", "c", "d"}


def test_what_another_server_put_there_counts(tmp_path):
    DiskCache(tmp_path, 3 * FILE).put("a", make_tables(1).to_bytes())
    cache = DiskCache(tmp_path, 3 * FILE)
    for key in "bcdefgh":
        cache.put(key, make_tables(1).to_bytes())
        DiskCache(tmp_path, 3 * FILE).put(key * 2, make_tables(1).to_bytes())
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 3 * FILE


def test_a_folder_that_cannot_be_used_is_logged_and_no_error(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file", 1 << 20)
    cache.put("key", make_tables(1).to_bytes())
    assert "cannot keep" in caplog.text
    assert cache.get("key") is None
