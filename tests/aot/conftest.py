"""Programs that are compiled once for the session, for chips that are not there, and what is asserted of all."""

from collections.abc import Callable, Iterator
from functools import cache

import jax
import pytest

from benchmarks.aot import chips
from benchmarks.aot.programs import Compiled, Planned, compile_program, plan, target

Limit = Callable[[str, float, float], None]
MIB = 2**20


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
def limit(record_property: Callable[[str, object], None]) -> Limit:
    """`limit(name, value, most)`: prints a figure, and asserts that it is no more than that."""

    def limit(name: str, value: float, most: float) -> None:
        print(f"{name}: {value:,.4g} (at most {most:,.4g})")
        record_property(name, value)
        assert value <= most, f"{name} is {value:,.4g}, more than {most:,.4g}"

    return limit


@pytest.fixture
def assert_in_place(limit: Limit) -> Callable[[Compiled], None]:
    """`assert_in_place(program)`: nothing is wide, nothing calls the host, and a state, if any, stays where it is."""

    def assert_in_place(program: Compiled) -> None:
        assert not program.module.host_transfers()
        limit("floats of 64 bits", program.module.wide_floats(), 0)
        kept = program.aliased_bytes / program.state_bytes if program.state_bytes else 1
        limit("share of the state that is not changed in place", 1 - kept, 0.01)

    return assert_in_place


@pytest.fixture
def assert_sound(limit: Limit, assert_in_place: Callable[[Compiled], None]) -> Callable[[Planned, Compiled], None]:
    """`assert_sound(planned, program)`: what holds for every program that changes an engine's state, on every chip."""

    def assert_sound(planned: Planned, program: Compiled) -> None:
        assert_in_place(program)
        limit("temporaries, MiB", program.temporary_bytes / MIB, 256)
        copies = program.module.copies(planned.layer_pool_bytes // 4)
        limit("copies as large as half of a layer's keys", len(copies), 0)

    return assert_sound
