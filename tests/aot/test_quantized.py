"""Programs with quantised weights, as they come from checkpoints, compile as the others do."""

import pytest

from benchmarks.aot.models import FORMATS

pytestmark = pytest.mark.aot
SMALL = {"rows": 8, "context": 4096, "pages": 10240}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("chip", ["v6e", "h100"])
def test_no_kernel_is_made_wider_in_memory(chip: str, format: str, compiled, limit) -> None:
    """Temporaries hold no layer's weights in more bits than they are kept in."""
    _, program = compiled(chip, "small", "decode", format=format, **SMALL)
    limit("temporaries, MiB", program.temporary_bytes / 2**20, 256)
    assert not program.module.host_transfers()
    assert program.aliased_bytes >= 0.99 * program.state_bytes
