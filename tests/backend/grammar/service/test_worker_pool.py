"""Whatever a compilation does to its process, it gets an error of its own, and the next one is compiled."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.grammar import Alphabet, Constraint
from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits
from backend.grammar.service.worker_pool import WorkerPool
from tests.backend.grammar.service.stand_in import TARGET


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """The worker processes find the tests where these run without having the project as their folder."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[4]))


@pytest.fixture
def pool():
    pool = WorkerPool(1, TARGET, Limits(seconds=1.0, memory_bytes=128 << 20))
    pool.warm()
    yield pool
    pool.close()


def run(pool, text):
    """The length of the text, by way of a worker."""
    return AutomatonTables.from_bytes(pool.run(Constraint("regex", text))).start


def works(pool):
    return run(pool, "hello") == 5


def test_tables_come_back(pool):
    assert [run(pool, "a" * n) for n in range(20)] == list(range(20))


def test_text_of_any_kind_and_size_reaches_the_worker(pool):
    for text in ("", "東京 🙂 \0 \n", "\ud800", "x" * (1 << 20)):
        assert run(pool, text) == len(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sleep 30", r"exceeded 1 s"),
        ("backtrack", r"exceeded 1 s"),  # holds the interpreter's lock throughout
        ("allocate 256", r"exceeded 0\.125 GiB of memory"),
        ("array 256", r"exceeded 0\.125 GiB of memory"),
        ("exit 0", "crashed"),
        ("exit 7", "crashed"),
        ("refuse #/properties/a", "keyword 'x' is not supported at #/properties/a"),
        ("recurse", "nested too deeply"),
    ],
)
def test_a_compilation_that_ends_badly_has_its_own_error_and_the_next_one_works(pool, text, message):
    with pytest.raises(GrammarError, match=message):
        run(pool, text)
    assert works(pool)


def test_a_fault_of_ours_is_not_the_clients_and_says_where(pool):
    with pytest.raises(RuntimeError, match=r"compile_constraint[\s\S]*a fault of ours"):
        run(pool, "fail")
    assert works(pool)


@pytest.mark.parametrize("when", ["idle", "busy"])
def test_a_worker_that_somebody_kills_is_replaced_and_nobody_notices(pool, when):
    (victim,) = pool.processes
    if when == "idle":
        os.kill(victim, signal.SIGKILL)
    else:
        threading.Timer(0.2, os.kill, (victim, signal.SIGKILL)).start()
        assert run(pool, "sleep 0.5") == len("sleep 0.5")
    assert works(pool) and works(pool)
    assert victim not in pool.processes


def test_what_fits_the_memory_is_compiled_and_a_worker_that_keeps_much_is_replaced(pool):
    before = pool.processes
    assert run(pool, "array 100") == len("array 100") and pool.processes == before
    assert run(pool, "keep 64") == len("keep 64")
    assert run(pool, "array 100") == len("array 100") and pool.processes != before


def test_what_a_compilation_prints_does_not_reach_the_answers(capfd):
    pool = WorkerPool(1, TARGET)
    assert run(pool, "print") == len("print") and works(pool)
    pool.close()
    assert "noisenoise" in capfd.readouterr().err


def test_as_many_compile_at_a_time_as_there_are_processes_and_more_wait():
    pool = WorkerPool(2, TARGET, Limits(seconds=5))
    pool.warm()
    with ThreadPoolExecutor(6) as threads:
        futures = [threads.submit(run, pool, f"sleep 0.{n}") for n in (1, 2, 1, 2, 1, 2)]
        assert [future.result() for future in futures] == [len("sleep 0.1")] * 6
    assert len(pool.processes) == 2
    pool.close()


def test_closing_ends_the_processes_and_whoever_waits_gets_an_error():
    pool = WorkerPool(1, TARGET, Limits(seconds=30))
    pool.warm()
    processes = pool.processes
    with ThreadPoolExecutor(3) as threads:
        futures = [threads.submit(run, pool, "sleep 30") for _ in range(3)]
        time.sleep(0.2)
        pool.close()
        for future in futures:
            with pytest.raises(RuntimeError, match="closed"):
                future.result(5)
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


def test_every_worker_writes_in_the_alphabet_of_its_pool():
    pool = WorkerPool(1, alphabet=Alphabet(b"ab\xc3", "é🐢", b"\xc3\xa9"))
    for _ in range(2):
        runner = Runner(AutomatonTables.from_bytes(pool.run(Constraint("regex", "(a\\u0004?|🐢)c?|ü"))))
        assert [text for text in ("a", "🐢", "a\4", "ac", "ü") if runner.accepts(text.encode())] == ["a", "🐢"]
        with pytest.raises(GrammarError, match=r"would need 'ü' \(U\+00FC\), for which .* no tokens"):
            pool.run(Constraint("regex", "ü|aü"))
        os.kill(pool.processes[0], signal.SIGKILL)
    pool.close()


def test_a_worker_that_cannot_start_is_an_error_at_the_start(capfd):
    pool = WorkerPool(1, "backend.grammar.nowhere:compile")
    with pytest.raises(RuntimeError, match="did not start"):
        pool.warm()
    pool.close()
    assert "No module named 'backend.grammar.nowhere'" in capfd.readouterr().err


def test_a_worker_ends_with_the_process_that_started_it():
    script = f"""
import os
from backend.grammar.service.worker_pool import WorkerPool
pool = WorkerPool(1, {TARGET!r})
pool.warm()
print(pool.processes[0], flush=True)
os._exit(1)
"""
    child = int(subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=False).stdout)
    end = time.monotonic() + 5
    while is_running(child):
        assert time.monotonic() < end
        time.sleep(0.01)


def is_running(process):
    """Whether a process that is nobody's child here runs; one that has ended may still be listed."""
    try:
        with Path(f"/proc/{process}/stat").open() as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_compiler_needs_neither_jax_nor_the_web_server():
    script = "import sys, backend.grammar.service.worker; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True, text=True).stdout
    assert not {"jax", "jaxlib", "flax", "pydantic", "connexion", "transformers"} & set(loaded.split())
