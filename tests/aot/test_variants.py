"""What engines differ in beside their shapes: adapters, formats of weights, and how many chips they are split over.

Grammars are part of every program that decodes.
"""

import pytest

from backend.engine.model_runner import CUDA_GRAPHS
from benchmarks.aot import hlo, thunks
from benchmarks.aot.models import FORMATS

pytestmark = pytest.mark.aot
SMALL = {"rows": 8, "context": 4096, "pages": 10240}
"""Its pool is larger than a TPU's fast memory, so that copies of it cannot hide there."""
ADAPTERS, INT8 = {"adapters": 4}, {"format": "int8"}
CHIPS = ("v6e", "h100")
LAYERS = "_run_layer"
"""In the names of what comes from layers."""


def sizes_over(count: int) -> dict[str, int]:
    """As large for each of so many chips."""
    return SMALL | {"pages": count * SMALL["pages"]}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("chip", CHIPS)
def test_no_kernel_is_made_wider_in_memory(chip: str, format: str, compiled, assert_sound) -> None:
    """Temporaries hold no layer's weights in more bits than they are kept in."""
    assert_sound(*compiled(chip, "small", "decode", format=format, **SMALL))


@pytest.mark.parametrize("cached", ["float8_e4m3", "int8"])
@pytest.mark.parametrize("chip", CHIPS)
def test_keys_and_values_in_eight_bits_are_read_where_they_lie(chip: str, cached: str, compiled, assert_sound) -> None:
    assert_sound(*compiled(chip, "small", "decode", cached=cached, **SMALL))


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


@pytest.mark.parametrize(("chip", "count"), [("v5p", 4), ("v6e", 8), ("h100", 4), ("b200", 8)])
def test_a_layer_over_several_chips_has_two_sums_and_no_other_exchange(chip, count, compiled, assert_sound):
    planned, program = compiled(chip, "small", "decode", count=count, **sizes_over(count))
    assert_sound(planned, program)
    step = program.module.step()
    assert program.module.collectives(step, LAYERS) == {"all-reduce": 2 * len(planned.decoder.config.layers)}
    of_a_step = program.module.collectives(step)
    print("of a step, those of branches that may not be taken included:", of_a_step)
    assert not set(of_a_step) - {"all-reduce", "all-gather"}


@pytest.mark.parametrize("kind", ["decode", "prefill"])
@pytest.mark.parametrize("chip", CHIPS)
def test_groups_of_rows_exchange_nothing_and_their_layers_have_two_sums(chip, kind, compiled, assert_sound):
    planned, program = compiled(chip, "small", kind, count=8, groups=2, **sizes_over(4))
    assert_sound(planned, program)
    layers, step = len(planned.decoder.config.layers), program.module.step() if kind == "decode" else None
    whole = layers if kind == "decode" else layers - 1  # of a prompt's last layer keys and values are enough
    assert program.module.collectives(step, LAYERS) == {"all-reduce": 2 * whole}
    assert program.module.exchanging() == {frozenset(range(4)), frozenset(range(4, 8))}


@pytest.mark.parametrize(("chip", "count"), [("v6e", 8), ("h100", 4)])
def test_adapters_and_eight_bits_exchange_no_more_often_than_floats(chip, count, compiled, assert_sound, limit):
    """Each device rounds its own part of the activations, and what low ranks make of parts goes with a layer's sums."""
    planned, program = compiled(chip, "small", "decode", count=count, **INT8, **ADAPTERS, **sizes_over(count))
    assert_sound(planned, program)
    _, plain = compiled(chip, "small", "decode", count=count, **sizes_over(count))
    of_a_step = program.module.collectives(program.module.step())
    assert of_a_step == plain.module.collectives(plain.module.step())
    exchanges = program.module.exchanges(program.module.step())
    a_sum = 4 * SMALL["rows"] * planned.decoder.config.embed
    limit("bytes of an exchange", max(hlo.shape_bytes(each.shape) for each in exchanges), a_sum)


def test_over_several_gpus_whole_dispatches_can_be_one_cuda_graph(compiled, limit) -> None:
    graphs = tuple(CUDA_GRAPHS.items())
    _, program = compiled("h100", "small", "decode", count=4, compiler=graphs, **sizes_over(4))
    limit("loops that the host drives", thunks.host_loops(program.host_program), 0)
    limit("branches that the host waits for", thunks.host_branches(program.host_program), 0)
