"""What `choose_sizes` picks for the memory of chips compiles for them, with nearly all of what the weights leave."""

import pytest

from benchmarks.aot import thunks
from benchmarks.aot.models import MODELS

pytestmark = pytest.mark.aot
MIB = 2**20


CASES = (("v5e", "1b", 1, 8), ("v6e", "8b", 1, 8), ("h100", "8b", 1, 32), ("v6e", "70b", 8, 4), ("h100", "70b", 4, 4))


@pytest.mark.parametrize(("chip", "model", "count", "layers"), CASES)
def test_what_is_picked_fits(chip, model, count, layers, compiled, assert_sound, limit):
    """Some layers are compiled, with the cache that is picked for all; what the others take is added."""
    planned, program = compiled(chip, model, "decode", rows=32, count=count, layers=layers)
    pool = len(MODELS[model].layers) * planned.layer_pool_bytes
    share = 1 - pool / (program.chip.memory - planned.weight_bytes)
    limit("share of what weights leave that is no cache", share, 0.1 if count == 1 else 0.12)
    used = program.argument_bytes + program.temporary_bytes + planned.left_out_bytes
    limit("memory of a chip, MiB", used / MIB, program.chip.memory / MIB)
    assert_sound(planned, program)
    if count > 1:
        assert program.module.collectives(program.module.step(), "_run_layer") == {"all-reduce": 2 * layers}
    elif program.thunk_text:
        step = thunks.step(program.host_program)
        limit("loops that the host drives", thunks.host_loops(step), 0)
        limit("kernels and copies of a step", thunks.kernels(step), 520)


def test_a_step_of_8_b_on_a_v6e_takes_little_more_than_its_products(compiled, limit):
    _, program = compiled("v6e", "8b", "decode", rows=32, count=1, layers=8)
    step = program.module.step()
    products = program.module.cycles(step, "dot_general")
    limit("cycles of a step over those of its products", program.module.cycles(step) / products, 1.3)
