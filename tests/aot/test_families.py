"""Programs of each kind, of families that are no Llama, compile for a TPU and a GPU in the memory set aside."""

import pytest

from backend.engine.memory import working_bytes
from benchmarks.aot.models import FAMILIES
from benchmarks.aot.programs import compile_program, plan, target

pytestmark = pytest.mark.aot
SMALL = {"rows": 8, "context": 4096, "pages": 10240}


@pytest.mark.parametrize("chip", ["v6e", "h100"])
@pytest.mark.parametrize("family", FAMILIES)
def test_programs_of_each_kind_compile_in_the_memory_that_is_set_aside(chip, family, assert_in_place, limit):
    with target(chip):
        planned = plan(chip, family, **SMALL)
        config, media = planned.decoder.config, planned.decoder.config.media
        encoding = set() if media is None else {each.kind for each in media.programs}
        largest = {name[0]: (name, program) for name, program in planned.programs.items()}
        for name, program in largest.values():
            print(*name)
            compiled = compile_program(chip, program)
            assert_in_place(compiled)
            aside = media.working_bytes(config.embed) if name[0] in encoding else working_bytes(config, SMALL["rows"])
            limit("temporaries over what is set aside", compiled.temporary_bytes / aside, 1)
