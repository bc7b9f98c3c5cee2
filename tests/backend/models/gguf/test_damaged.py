"""Files that were cut, or whose bytes were turned: refused as a checkpoint, or read; nothing else happens."""

import resource
from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.models.checkpoint import open_checkpoint
from backend.models.errors import CheckpointError
from backend.models.gguf.header import read_header
from backend.models.weights import load
from tests.backend.models.gguf.files import write

MOST = 4 << 30
"""Bytes of address space beyond what is taken before: more than a small header may lead to."""


NUMBERS = st.builds(
    lambda size, bits: ((1 << min(bits, 8 * size)) - 1).to_bytes(size, "little"),
    st.sampled_from([4, 8]),
    st.integers(0, 64),
)
"""All ones up to some bit: the largest counts and lengths among them."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("whole") / "model.gguf", "Q8_0")


@pytest.fixture(scope="module")
def _bounded() -> Iterator[None]:
    """The process may not take unbounded memory while these tests run."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def read(file: Path) -> None:
    """Configuration and weights, or one `CheckpointError` that says which file."""
    try:
        load(open_checkpoint(file), jnp.float32)
    except CheckpointError as error:
        assert file.name in str(error)


@pytest.mark.usefixtures("_bounded")
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_turned_bytes(whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(whole.read_bytes())
    header = read_header(whole).tensors[0].offset
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(4, header))
        turned = data.draw(st.one_of(st.binary(min_size=1, max_size=1), NUMBERS))
        content[place : place + len(turned)] = turned
    damaged = tmp_path_factory.getbasetemp() / "turned.gguf"
    damaged.write_bytes(content)
    read(damaged)


@pytest.mark.usefixtures("_bounded")
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_cut_files(whole: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = whole.read_bytes()
    cut = tmp_path_factory.getbasetemp() / "cut.gguf"
    cut.write_bytes(content[: data.draw(st.integers(0, len(content) - 32))])  # the last rows are padded to 32 bytes
    with pytest.raises(CheckpointError, match=r"cut\.gguf"):
        load(open_checkpoint(cut), jnp.float32)
