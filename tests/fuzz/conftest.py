"""How long to look, and what is looked at: `pytest -m fuzz tests/fuzz --fuzz-minutes 10`."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.load.server import Server, serving

Fuzz = Callable[[st.SearchStrategy[Any], Callable[[Any], None]], None]
ROUND = 100  # examples between two looks at the clock


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("fuzz").addoption("--fuzz-minutes", type=float, default=5.0, help="of all tests together")


@pytest.fixture
def fuzz(request: pytest.FixtureRequest) -> Fuzz:
    """`fuzz(strategy, check)` checks values for this test's share of the minutes; what fails is made small."""
    seconds = 60 * request.config.getoption("--fuzz-minutes") / request.session.testscollected

    def look(strategy: st.SearchStrategy[Any], check: Callable[[Any], None]) -> None:
        end, examples = time.monotonic() + seconds, 0
        while time.monotonic() < end:

            @settings(max_examples=ROUND, derandomize=False, deadline=None, suppress_health_check=list(HealthCheck))
            @given(value=strategy)
            def examine(value: Any) -> None:
                check(value)

            examine()
            examples += ROUND
        print(f"{request.node.name}: {examples} examples")

    return look


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real server in a process of its own; it must be well, and stop when it is told to, after all that was sent."""
    flags = ["--max-batch-size", "4", "--max-context-length", "256", "--request-timeout", "20"]
    flags += ["--compilation-cache", jax.config.jax_compilation_cache_dir]
    with serving(tmp_path_factory.mktemp("server"), *flags) as server:
        yield server
