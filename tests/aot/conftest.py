"""Programs that are compiled once for the session, for chips that are not there."""

from collections.abc import Callable, Iterator
from functools import cache

import jax
import pytest

from benchmarks.aot import chips
from benchmarks.aot.programs import Compiled, Planned, compile_program, plan, target


@pytest.fixture(scope="session", autouse=True)
def _compilers() -> Iterator[None]:
    """Both kinds are here, and what they make is not kept: it could not be loaded again."""
    assert chips.available(), "the wheels that compile for TPUs and GPUs are not installed: run `nox -s aot`"
    folder = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", folder)


@pytest.fixture(scope="session")
def compiled() -> Callable[..., tuple[Planned, Compiled]]:
    """`compiled(chip, model, kind, **options of plan)`: what is planned, and its largest program of a kind."""

    @cache
    def compiled(chip: str, model: str, kind: str, **options: object) -> tuple[Planned, Compiled]:
        compiler = options.pop("compiler", None)
        with target(chip):
            planned = plan(chip, model, **options)
            name = [name for name in planned.programs if name[0] == kind][-1]
            return planned, compile_program(chip, planned.programs[name], dict(compiler or ()))

    return compiled


@pytest.fixture
def limit(record_property: Callable[[str, object], None]) -> Callable[[str, float, float], None]:
    """`limit(name, value, most)`: prints a figure, and asserts that it is no more than that."""

    def limit(name: str, value: float, most: float) -> None:
        print(f"{name}: {value:,.4g} (at most {most:,.4g})")
        record_property(name, value)
        assert value <= most, f"{name} is {value:,.4g}, more than {most:,.4g}"

    return limit
