"""Compiled programs from one start to the next: whatever becomes of the files, a start has the programs it needs."""

import errno
import os
import shutil
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax._src import lru_cache, monitoring

from backend.programs import kept_programs

HITS, MISSES = "/jax/compilation_cache/cache_hits", "/jax/compilation_cache/cache_misses"


def start(folder):
    """Compiles two programs as a new process does; how many were found, and how many were not."""
    counts = {HITS: 0, MISSES: 0}

    def count(event, **_):
        if event in counts:
            counts[event] += 1

    jax.clear_caches()
    monitoring.register_event_listener(count)
    try:
        with kept_programs(folder):
            numbers = np.arange(4, dtype=np.float32)
            assert jax.jit(first)(numbers).tolist() == [1, 2, 3, 4]
            assert jax.jit(second)(numbers).tolist() == [0, 2, 4, 6]
    finally:
        monitoring.unregister_event_listener(count)
    return counts[HITS], counts[MISSES]


def first(numbers):
    return numbers + 1


def second(numbers):
    return jnp.sum(jnp.stack([numbers, numbers]), axis=0)


def entries(folder):
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compiled")
    hits, misses = start(folder)
    assert hits == 0 and misses >= 2
    return folder


@pytest.fixture
def folder(compiled, tmp_path):
    return Path(shutil.copytree(compiled, tmp_path / "programs"))


def test_programs_are_found_also_where_their_folder_was_moved_to(folder):
    count = len(entries(folder))
    moved = folder.rename(folder.with_name("moved"))
    assert start(moved) == (count, 0)
    assert len(list(moved.iterdir())) == count


def cut(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    "harm", [cut, lambda content: b"", lambda content: bytes(len(content)), lambda content: content + b"more"]
)
def test_what_is_cut_or_changed_is_compiled_again_and_replaced(folder, harm, caplog, recwarn):
    count = len(entries(folder))
    victim = entries(folder)[0]
    victim.write_bytes(harm(victim.read_bytes()))
    assert start(folder) == (count - 1, 1)
    assert "1 compiled programs" in caplog.text
    assert not [warning for warning in recwarn if "persistent" in str(warning.message)]  # JAX never read it
    assert start(folder) == (count, 0)


def test_programs_under_each_others_names_are_compiled_again(folder):
    count = len(entries(folder))
    one, other, *_ = entries(folder)
    contents = one.read_bytes(), other.read_bytes()
    other.write_bytes(contents[0])
    one.write_bytes(contents[1])
    assert start(folder) == (count - 2, 2)
    assert start(folder) == (count, 0)


def test_programs_with_names_and_digests_exchanged_are_compiled_again(folder):
    """Each file is whole and has the digest of a whole one, under another program's name."""
    count = len(entries(folder))
    one, other, *_ = entries(folder)
    (entry, _, digest), (other_entry, _, other_digest) = (path.name.rpartition(".") for path in (one, other))
    other.rename(folder / "aside")
    one.rename(folder / f"{other_entry}.{digest}")
    (folder / "aside").rename(folder / f"{entry}.{other_digest}")
    assert start(folder) == (count - 2, 2)


@pytest.mark.filterwarnings("ignore:Error writing persistent")
def test_what_a_full_disk_cuts_is_not_kept(tmp_path, monkeypatch, caplog):
    write = lru_cache.pathlib.Path.write_bytes

    def full(path, content):
        write(path, content[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(lru_cache.pathlib.Path, "write_bytes", full)
        start(tmp_path)
    assert "could not be kept" in caplog.text
    assert list(tmp_path.iterdir()) == []
    hits, misses = start(tmp_path)
    assert (hits, misses) == (0, len(entries(tmp_path)))


def test_a_folder_that_cannot_be_is_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    start(tmp_path / "file" / "programs")
    assert "compiled programs are not kept" in caplog.text


def test_what_a_start_has_compiled_is_kept_when_it_is_ended_half_way(tmp_path):
    jax.clear_caches()
    with pytest.raises(KeyboardInterrupt), kept_programs(tmp_path) as keep:
        jax.jit(first)(np.arange(4, dtype=np.float32))
        keep()
        raise KeyboardInterrupt
    assert len(entries(tmp_path)) == len(list(tmp_path.iterdir())) >= 1


def test_what_a_killed_start_left_behind_is_removed_and_what_is_not_ours_is_not(folder):
    old, new, other = (folder / name for name in (".starting-old", ".starting-new", "notes-cache"))
    for path in (old, new, other):
        path.mkdir()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    start(folder)
    assert not old.exists() and new.exists() and other.exists()


def test_settings_of_jax_are_what_they_were(tmp_path):
    names = ("compilation_cache_dir", "persistent_cache_min_compile_time_secs", "persistent_cache_enable_xla_caches")
    before = [getattr(jax.config, f"jax_{name}") for name in names]
    with kept_programs(tmp_path):
        assert jax.config.jax_compilation_cache_dir != before[0]
    assert [getattr(jax.config, f"jax_{name}") for name in names] == before
