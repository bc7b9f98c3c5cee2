"""What XLA makes of the engine's programs for each accelerator: no host, no copies, no loops where kernels are."""

from collections.abc import Iterable
from typing import Any

import pytest

from backend.engine.model_runner import CUDA_GRAPHS
from benchmarks.aot import thunks
from benchmarks.aot.chips import CHIPS

pytestmark = pytest.mark.aot
QUICK = ("v6e", "h100")
GPUS, TPUS = ([name for name, chip in CHIPS.items() if chip.platform == kind] for kind in ("gpu", "tpu"))
KINDS = ("decode", "prefill")
SMALL = {"rows": 8, "context": 4096, "pages": 10240}
"""Its pool is larger than a TPU's fast memory, so that copies of it cannot hide there."""


def each(chips: Iterable[str]) -> list[Any]:
    """Those of `QUICK` marked so."""
    return [pytest.param(chip, marks=[pytest.mark.quick] if chip in QUICK else []) for chip in chips]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chip", each(CHIPS))
def test_nothing_is_wide_or_calls_the_host_and_the_state_stays_where_it_is(chip, kind, compiled, assert_sound):
    assert_sound(*compiled(chip, "small", kind, **SMALL))


@pytest.mark.parametrize("chip", each(GPUS))
def test_a_step_on_a_gpu_is_one_launch_without_a_loop_that_the_host_drives(chip, compiled, limit):
    planned, program = compiled(chip, "small", "decode", **SMALL)
    step = thunks.step(program.host_program)
    limit("loops that the host drives", thunks.host_loops(step), 0)
    limit("branches that the host waits for", thunks.host_branches(step), 0)
    limit("launches", thunks.launches(step), 1)
    more, of_more = compiled(chip, "deeper", "decode", **SMALL)
    layers = len(more.decoder.config.layers) - len(planned.decoder.config.layers)
    added = thunks.kernels(thunks.step(of_more.host_program)) - thunks.kernels(step)
    limit("kernels of a layer", added / layers, 16)


@pytest.mark.parametrize("chip", GPUS)
def test_whole_dispatches_can_be_one_cuda_graph(chip, compiled, limit):
    _, program = compiled(chip, "small", "decode", compiler=tuple(CUDA_GRAPHS.items()), **SMALL)
    limit("loops that the host drives", thunks.host_loops(program.host_program), 0)


@pytest.mark.parametrize("chip", each(TPUS))
def test_a_step_on_a_tpu_has_one_kernel_for_each_layers_attention(chip, compiled, limit):
    planned, program = compiled(chip, "small", "decode", **SMALL)
    step = program.module.computations[program.module.step()]
    kernels = [each for each in step if each.op == "custom-call" and "tpu_custom_call" in each.rest]
    assert len(kernels) == len(planned.decoder.config.layers)
