"""What engines differ in beside their shapes: adapters, formats of weights, and how many chips they are split over.

Grammars are part of every program that decodes.
"""

import pytest

from benchmarks.aot import thunks
from benchmarks.aot.models import FORMATS

pytestmark = pytest.mark.aot
SMALL = {"rows": 8, "context": 4096, "pages": 10240}
"""Its pool is larger than a TPU's fast memory, so that copies of it cannot hide there."""
ADAPTERS, INT8 = {"adapters": 4}, {"format": "int8"}
CHIPS = ("v6e", "h100")


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("chip", CHIPS)
def test_no_kernel_is_made_wider_in_memory(chip: str, format: str, compiled, assert_sound) -> None:
    """Temporaries hold no layer's weights in more bits than they are kept in."""
    assert_sound(*compiled(chip, "small", "decode", format=format, **SMALL))


@pytest.mark.parametrize("kind", ["decode", "prefill"])
@pytest.mark.parametrize("chip", CHIPS)
def test_adapters_are_read_where_they_lie(chip: str, kind: str, compiled, assert_sound) -> None:
    assert_sound(*compiled(chip, "small", kind, **ADAPTERS, **SMALL))


def test_adapters_add_no_loop_that_the_host_drives(compiled, limit) -> None:
    _, program = compiled("h100", "small", "decode", **ADAPTERS, **SMALL)
    step = thunks.step(program.host_program)
    limit("loops that the host drives", thunks.host_loops(step), 0)
    limit("branches that the host waits for", thunks.host_branches(step), 0)
    limit("launches", thunks.launches(step), 1)


@pytest.mark.parametrize(
    ("chip", "count", "options"),
    [("v5p", 4, {}), ("v6e", 8, INT8 | ADAPTERS), ("h100", 4, {}), ("h100", 4, INT8 | ADAPTERS), ("b200", 8, {})],
    ids=["v5p, 4", "v6e, 8, int8, adapters", "h100, 4", "h100, 4, int8, adapters", "b200, 8"],
)
def test_a_layer_over_several_chips_has_two_sums_and_no_other_exchange(
    chip: str, count: int, options: dict[str, object], compiled, assert_sound, limit
) -> None:
    sizes = SMALL | {"pages": count * SMALL["pages"]}
    planned, program = compiled(chip, "small", "decode", count=count, **options, **sizes)
    assert_sound(planned, program)
    of_layers = program.module.collectives(program.module.step(), "_run_layer")
    assert set(of_layers) == {"all-reduce"}
    limit("sums of a layer", of_layers["all-reduce"] / len(planned.decoder.config.layers), 2)
    of_a_step = program.module.collectives(program.module.step())
    print("of a step, those of branches that may not be taken included:", of_a_step)
    assert not set(of_a_step) - {"all-reduce", "all-gather"}
