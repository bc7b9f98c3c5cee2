"""Each constraint is compiled once, found again in memory and on disk, and never mistaken for another."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar import Alphabet, Constraint
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.errors import GrammarError
from backend.grammar.service import compiler
from backend.grammar.service.cache import FAILURE_SECONDS
from backend.grammar.service.compiler import (
    MOST_OF_ONE_CLIENT,
    MOST_PENDING,
    Compiler,
    CompilerBusy,
    constraint_key,
)
from backend.grammar.service.turns import Abandoned
from tests.backend.grammar.service.stand_in import make_tables


class StandIn:
    """A pool of no processes: compiles in the thread that asks, once it may `go`."""

    def __init__(self, compiling=True):
        self.compiled, self.closed, self.go, self.abandoned = [], False, threading.Event(), []
        if compiling:
            self.go.set()

    def run(self, constraint, job):
        while not self.go.wait(0.005):
            if job.abandoned:
                raise Abandoned
        self.compiled.append(constraint)
        if "bad" in constraint.text:
            raise GrammarError("bad", "#/x")
        return make_tables(len(constraint.text)).to_bytes()

    def abandon(self, job):
        job.abandoned = True
        self.abandoned.append(job.client)

    def warm(self):
        pass

    def close(self):
        self.closed = True
        self.go.set()


@pytest.fixture
def make(tmp_path):
    """`make(pool, ...)`: a compiler that keeps files in the test's folder; closed at the end."""
    made = []

    def make(pool, **options):
        made.append(Compiler(**{"folder": tmp_path, "pool": pool, **options}))
        return made[-1]

    yield make
    for each in made:
        each.close()


def compile_and_close(compiler, text):
    """The first state of the tables; what is kept on disk is there afterwards."""
    start = compiler.compile(regex(text)).tables.result(5).start
    compiler.close()
    return start


def regex(text):
    return Constraint("regex", text)


def test_a_constraint_is_compiled_once_for_all_who_ask_at_the_same_time(make):
    pool = StandIn(compiling=False)
    made = make(pool)
    with ThreadPoolExecutor(20) as threads:
        asked = [threads.submit(made.compile, regex("abc")) for _ in range(100)]
    pool.go.set()
    results = {id(each.result().tables.result(5)) for each in asked}
    assert len(results) == 1 and len(pool.compiled) == 1


def test_what_is_in_memory_is_there_at_once(make):
    pool = StandIn()
    made = make(pool, folder=None)
    first = made.compile(regex("abc")).tables.result(5)
    again = made.compile(regex("abc")).tables
    assert again.done() and again.result() is first and len(pool.compiled) == 1


def test_what_is_on_disk_is_not_compiled_again_and_does_not_wait_for_what_is(make):
    assert compile_and_close(make(StandIn()), "abcd") == 4
    pool = StandIn(compiling=False)
    made = make(pool)
    busy = [made.compile(regex("x" * n)).tables for n in range(20)]
    assert made.compile(regex("abcd")).tables.result(5).start == 4
    assert not pool.compiled and not any(future.done() for future in busy)


def test_a_damaged_file_is_compiled_again_and_replaced(make, tmp_path):
    compile_and_close(make(StandIn()), "abc")
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-30])
    pool = StandIn()
    assert compile_and_close(make(pool), "abc") == 3 and len(pool.compiled) == 1
    assert AutomatonTables.from_bytes(file.read_bytes()).start == 3


def test_an_error_reaches_all_who_asked_and_is_remembered_for_a_while(make, tmp_path):
    pool, now = StandIn(compiling=False), [1000.0]
    made = make(pool, clock=lambda: now[0])
    futures = [made.compile(regex("bad")).tables for _ in range(3)]
    pool.go.set()
    wait(futures)
    remembered = made.compile(regex("bad")).tables
    assert remembered.done() and len(pool.compiled) == 1
    for future in [*futures, remembered]:
        with pytest.raises(GrammarError, match="bad at #/x"):
            future.result(5)
    assert remembered.exception() is not made.compile(regex("bad")).tables.exception()
    now[0] += FAILURE_SECONDS
    wait([made.compile(regex("bad")).tables])
    assert len(pool.compiled) == 2 and not any(tmp_path.iterdir())


def test_a_fault_of_the_server_is_not_remembered(make):
    pool = StandIn()
    made = make(pool)
    pool.run = lambda constraint, job: {}["no such worker"]
    with pytest.raises(KeyError):
        made.compile(regex("abc")).tables.result(5)
    del pool.run
    assert made.compile(regex("abc")).tables.result(5).start == 3


def test_what_nobody_waits_for_any_more_is_dropped(make):
    pool = StandIn(compiling=False)
    made = make(pool)
    mine, theirs = made.compile(regex("abc"), "me"), made.compile(regex("abc"), "they")
    mine.release()
    mine.release()
    assert not pool.abandoned
    theirs.release()
    assert pool.abandoned == ["me"]
    with pytest.raises(Abandoned):
        mine.tables.result(5)
    again = made.compile(regex("abc"))
    assert again.tables is not mine.tables
    pool.go.set()
    assert again.tables.result(5).start == 3
    again.release()
    assert pool.abandoned == ["me"]


def test_one_client_has_a_part_of_what_may_wait(make):
    pool = StandIn(compiling=False)
    made = make(pool)
    greedy = [made.compile(regex("x" * n), "greedy") for n in range(MOST_OF_ONE_CLIENT)]
    with pytest.raises(CompilerBusy):
        made.compile(regex("one more"), "greedy")
    assert not made.compile(regex("one more"), "other").tables.done()
    assert made.compile(regex("one more"), "greedy")  # which another one pays for
    greedy[0].release()
    made.compile(regex("and another"), "greedy")
    pool.go.set()


def test_nobody_can_cancel_what_others_wait_for(make):
    pool = StandIn(compiling=False)
    made = make(pool)
    mine, theirs = made.compile(regex("abc")).tables, made.compile(regex("abc")).tables
    assert not mine.cancel()
    pool.go.set()
    assert theirs.result(5).start == 3


def test_more_than_may_wait_are_refused_and_taken_later(make):
    pool = StandIn(compiling=False)
    made = make(pool)
    futures = [made.compile(regex("x" * n)).tables for n in range(MOST_PENDING)]
    with pytest.raises(CompilerBusy):
        made.compile(regex("one more"))
    assert made.compile(regex("x")).tables is futures[1]  # what is being compiled already has room
    pool.go.set()
    assert [future.result(5).start for future in futures] == list(range(MOST_PENDING))
    assert made.compile(regex("one more")).tables.result(5).start == 8


CONSTRAINTS = st.builds(Constraint, st.sampled_from(["json_schema", "json_object", "regex"]), st.text(), st.booleans())


@given(CONSTRAINTS, CONSTRAINTS)
def test_keys_are_equal_exactly_where_constraints_are(a, b):
    assert (constraint_key(a) == constraint_key(b)) == (a == b)


def test_the_order_of_properties_is_part_of_the_key():
    one, other = Constraint("json_schema", '{"a":{},"b":{}}'), Constraint("json_schema", '{"b":{},"a":{}}')
    assert constraint_key(one) != constraint_key(other)


def test_another_alphabet_does_not_take_the_files_of_this_one(make):
    compile_and_close(make(StandIn()), "abc")
    for alphabet in (Alphabet(b"abc"), Alphabet(b"abc", "é"), Alphabet(b"abc", "é", b"\xc3")):
        pool = StandIn()
        compile_and_close(make(pool, alphabet=alphabet), "abc")
        assert len(pool.compiled) == 1


def test_another_compiler_does_not_take_the_files_of_this_one(make, monkeypatch):
    compile_and_close(make(StandIn()), "abc")
    monkeypatch.setattr(compiler, "compiler_version", lambda: "another")
    pool = StandIn()
    compile_and_close(make(pool), "abc")
    assert len(pool.compiled) == 1


def test_closing_closes_the_pool(tmp_path):
    pool = StandIn()
    Compiler(tmp_path, pool=pool).close()
    assert pool.closed


def test_who_is_refused_is_told_to_come_again_by_the_pace_of_compilations(make):
    now = [0.0]
    made = make(StandIn(compiling=False), clock=lambda: now[0])
    grammars = [made.compile(Constraint("regex", f"a{number}"), "hog") for number in range(MOST_OF_ONE_CLIENT)]
    now[0] = 40.0
    for grammar in grammars[:2]:
        grammar.release()
    for number in range(2):
        made.compile(Constraint("regex", f"b{number}"), "hog")
    with pytest.raises(CompilerBusy) as refusal:
        made.compile(Constraint("regex", "c"), "hog")
    assert 20 <= refusal.value.retry_after <= 31
