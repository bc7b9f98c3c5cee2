"""What the start tells of the engine: how many programs are compiled, and a speed that is measured without a trace."""

import threading
from dataclasses import asdict
from functools import partial
from types import SimpleNamespace

import pytest

from backend.engine.engine import Engine
from backend.engine.model_runner import compile_all
from tests.backend.engine.conftest import Small, request, tokens


def test_measuring_gives_a_speed_and_leaves_nothing_behind(small: Small) -> None:
    engine = Engine(small.runner)
    try:
        before = asdict(engine.stats())
        assert engine.measure() > 0
        assert asdict(engine.stats()) == before
        asked = [request([0]), request(list(range(1, 20)), seeds=(3, 4), temperature=1.0)]
        for each in asked:
            events, expected = engine.generate(each), small.engine.generate(each)
            for choice in range(len(each.seeds)):
                assert tokens(events, choice) == tokens(expected, choice)
    finally:
        engine.close()


def test_a_device_that_fails_while_it_is_measured_says_so(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(small.runner)
    monkeypatch.setattr(small.runner, "decode", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.measure()
    engine.close()
    assert engine.failure is not None and "division by zero" in engine.failure


def test_programs_are_counted_while_others_are_still_traced() -> None:
    """As many as have been compiled, each once, and all of them in the end."""
    told: list[tuple[int, int]] = []
    compiled = threading.Semaphore(0)

    class Lowered:
        def __init__(self, name: str) -> None:
            self.name = name

        def compile(self) -> str:
            return self.name

    def progress(done: int, total: int) -> None:
        told.append((done, total))
        compiled.release()

    def lower(name: str) -> Lowered:
        assert compiled.acquire(timeout=10)  # the one before was told already
        return Lowered(name)

    names = [("decode", rows, 1, 0) for rows in range(5)]
    programs = compile_all({name: SimpleNamespace(lower=partial(lower, str(name))) for name in names}, progress)
    assert programs == {name: str(name) for name in names}
    assert [done for done, _ in told] == [0, 1, 2, 3, 4, 5, 5] and {total for _, total in told} == {5}


def test_a_program_that_cannot_be_compiled_is_an_error() -> None:
    lowered = SimpleNamespace(compile=lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        compile_all({("init", 0, 0, 0): SimpleNamespace(lower=lambda: lowered)}, lambda done, total: None)
