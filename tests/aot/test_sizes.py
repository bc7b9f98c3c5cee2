"""What `choose_sizes` picks for the memory of a chip compiles for it, with nearly all of what the weights leave."""

import pytest

from benchmarks.aot import thunks

pytestmark = pytest.mark.aot
MIB = 2**20


@pytest.mark.parametrize(("chip", "model"), [("v5e", "1b"), ("v6e", "8b"), ("h100", "8b")])
def test_what_is_picked_fits(chip, model, compiled, limit):
    planned, program = compiled(chip, model, "decode", rows=32)
    pool = planned.sizes.pages * planned.backend.page_bytes
    limit("share of what weights leave that is no cache", 1 - pool / (program.chip.memory - planned.weight_bytes), 0.1)
    used = program.argument_bytes + program.temporary_bytes
    limit("memory, MiB", used / MIB, program.chip.memory / MIB)
    limit("temporaries, MiB", program.temporary_bytes / MIB, 256)
    assert not program.module.copies(pool // len(planned.backend.layers) // 4)
    if program.thunk_text:
        step = thunks.step(program.host_program)
        limit("loops that the host drives", thunks.host_loops(step), 0)
        limit("kernels and copies of a step", thunks.kernels(step), 520)


def test_a_step_of_8_b_on_a_v6e_takes_little_more_than_its_products(compiled, limit):
    _, program = compiled("v6e", "8b", "decode", rows=32)
    step = program.module.step()
    products = program.module.cycles(step, "dot_general")
    limit("cycles of a step over those of its products", program.module.cycles(step) / products, 1.3)
