"""Compiling ahead, and what it leaves behind."""

import gc
from types import SimpleNamespace

import jax
import pytest

from backend.engine.model_runner import compile_all


@pytest.mark.parametrize("enabled", [True, False])
def test_programs_are_compiled_without_garbage_collection_and_it_is_as_before_afterwards(enabled):
    seen = []

    def lower() -> jax.stages.Lowered:
        seen.append(gc.isenabled())
        return jax.jit(lambda x: 2 * x).lower(1.0)

    def fail() -> jax.stages.Lowered:
        raise ValueError("no such program")

    (gc.enable if enabled else gc.disable)()
    try:
        progress: list[tuple[int, int]] = []
        compiled = compile_all({("double", 0, 0): SimpleNamespace(lower=lower)}, lambda *done: progress.append(done))
        assert float(compiled["double", 0, 0](1.0)) == 2.0
        assert (progress[0], progress[-1]) == ((0, 1), (1, 1))
        assert seen == [False] and gc.isenabled() == enabled
        with pytest.raises(ValueError, match="no such program"):
            compile_all({("none", 0, 0): SimpleNamespace(lower=fail)}, lambda *_: None)
        assert gc.isenabled() == enabled
    finally:
        gc.enable()
