"""Whatever a compilation does to its process, it gets an error of its own, and the next one is compiled."""

import hashlib
import os
import re
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
from backend.grammar.service import worker_pool
from backend.grammar.service.turns import Abandoned, Job
from backend.grammar.service.worker_pool import CompilerUnavailable, WorkerPool
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


def first_of(pool, text):
    """A pool whose only worker has begun with `text` in another thread, and the future of that."""
    threads = ThreadPoolExecutor(1)
    started = threads.submit(run, pool, text)
    threads.shutdown(wait=False)
    time.sleep(0.2)
    return started


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


def test_a_fault_of_ours_is_an_error_at_its_place_and_logged_with_the_schemas_hash(pool, caplog):
    with pytest.raises(GrammarError, match="could not be compiled") as raised:
        run(pool, "fail #/properties/a")
    assert raised.value.pointer == "#/properties/a" and "secret" not in str(raised.value)
    assert re.search(r"compile_constraint[\s\S]*a secret fault of ours", caplog.text)
    assert hashlib.sha256(b"fail #/properties/a").hexdigest() in caplog.text
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


def test_a_worker_that_is_killed_while_it_starts_is_replaced_and_nobody_notices():
    pool = WorkerPool(1, TARGET)
    for _ in range(2):
        os.kill(pool.processes[0], signal.SIGKILL)
        assert works(pool)
    pool.close()


def test_a_worker_that_never_starts_is_no_fault_of_what_was_to_be_compiled(pool, monkeypatch):
    monkeypatch.setattr(worker_pool, "WORKER", "backend.grammar.service.nowhere")
    os.kill(pool.processes[0], signal.SIGKILL)
    with pytest.raises(CompilerUnavailable, match="no grammar compiler could be started"):
        run(pool, "hello")
    monkeypatch.undo()
    assert works(pool)


@pytest.mark.parametrize("when", ["starting", "idle", "busy"])
def test_a_worker_that_somebody_stops_is_replaced_after_a_while(when, monkeypatch):
    with monkeypatch.context() as patch:
        if when == "starting":
            patch.setattr(worker_pool, "START_SECONDS", 1.0)
        pool = WorkerPool(1, TARGET, Limits(seconds=1.0))
    victim = pool.processes[0]
    if when != "starting":
        pool.warm()
    busy = first_of(pool, "sleep 0.5") if when == "busy" else None
    os.kill(victim, signal.SIGSTOP)
    assert works(pool) and (busy is None or busy.result(10) == len("sleep 0.5"))
    assert victim not in pool.processes
    pool.close()


def test_what_nobody_waits_for_is_not_compiled_and_ends_where_it_is(pool, caplog):
    jobs = [Job("a"), Job("b")]
    with ThreadPoolExecutor(2) as threads:
        futures = [threads.submit(pool.run, Constraint("regex", "sleep 0.9"), job) for job in jobs]
        time.sleep(0.2)
        before = pool.processes
        for job, future in reversed(list(zip(jobs, futures, strict=True))):
            pool.abandon(job)
            with pytest.raises(Abandoned):
                future.result(5)
    assert works(pool) and pool.processes != before and not caplog.records


def test_what_nobody_waits_for_is_no_fault_of_a_worker_that_still_starts(caplog):
    pool, job = WorkerPool(1, TARGET), Job()
    (process,) = pool.processes
    os.kill(process, signal.SIGSTOP)  # it is not ready before it is abandoned
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(pool.run, Constraint("regex", "hello"), job)
        time.sleep(0.2)
        pool.abandon(job)
        with pytest.raises(Abandoned):
            future.result(30)
    assert works(pool) and pool.processes != [process] and not caplog.records
    pool.close()


def test_a_client_with_many_compilations_leaves_workers_to_others():
    pool = WorkerPool(2, TARGET, Limits(seconds=20))
    pool.warm()
    with ThreadPoolExecutor(4) as threads:
        greedy = [threads.submit(pool.run, Constraint("regex", "sleep 10"), Job("greedy")) for _ in range(3)]
        time.sleep(0.1)
        assert threads.submit(pool.run, Constraint("regex", "hello"), Job("other")).result(5)
        assert not any(future.done() for future in greedy)
        pool.close()


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
from backend.grammar.service import worker_pool
from backend.grammar.service.turns import Abandoned, Job
from backend.grammar.service.worker_pool import CompilerUnavailable, WorkerPool
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
