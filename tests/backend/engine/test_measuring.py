"""The speed that the start tells is measured, and leaves no trace."""

from dataclasses import asdict

import pytest

from backend.engine.engine import Engine
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
