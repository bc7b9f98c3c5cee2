"""Settings of the whole test session: how hypothesis draws, and where compiled programs are kept between sessions."""

import gc

import jax
import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, max_examples=40)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("ci")  # `pytest --hypothesis-profile=thorough` looks for new examples


def pytest_configure(config: pytest.Config) -> None:
    gc.set_threshold(10_000, 20, 20)  # of millions of objects that stay, most of a collection finds nothing
    jax.config.update("jax_compilation_cache_dir", str(config.cache.mkdir("jax")))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is marked `slow`, `real_model` or `aot` has no time limit."""
    for item in items:
        if any(item.get_closest_marker(name) for name in ("slow", "real_model", "aot")):
            item.add_marker(pytest.mark.timeout(0))
