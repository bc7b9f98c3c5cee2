"""Settings of the whole session: how hypothesis draws, how programs are compiled, and where they are kept."""

import gc
import os

import jax
import pytest
from hypothesis import settings

from tests.compiling import QUICK_FLAGS

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("ci")  # `pytest --hypothesis-profile=thorough` looks for new examples


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "programs are compiled in less than half of the time, to slower ones; else as by a server"
    parser.addoption("--compile-quickly", action="store_true", help=text)


def pytest_configure(config: pytest.Config) -> None:
    os.environ["JAX_PLATFORMS"] = "cpu"  # XLA for accelerators may be installed beside it
    jax.config.update("jax_platforms", "cpu")
    gc.set_threshold(10_000, 20, 20)  # of millions of objects that stay, most of a collection finds nothing
    if config.getoption("compile_quickly"):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICK_FLAGS}"  # also of servers that tests start
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked `slow`, `real_model` or `aot` has no time limit."""
    for item in items:
        if any(item.get_closest_marker(name) for name in ("slow", "real_model", "aot")):
            item.add_marker(pytest.mark.timeout(0))
