"""Files of a checkpoint with bytes turned, cut and made up: read, or refused by an error for people."""

import json
import resource
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest
from hypothesis import strategies as st
from safetensors.numpy import save_file

from backend.models.checkpoint import open_checkpoint
from backend.models.errors import CheckpointError
from backend.models.weights import load
from handlers.text.tokenizer import ChatTokenizer
from tests.backend.models.gguf.files import write
from tests.backend.models.test_weights import configure, random_tensors
from tests.fuzz.test_bodies import places, replaced, values
from tests.handlers.text.test_tokenizer import save_chatml

pytestmark = [pytest.mark.fuzz, pytest.mark.usefixtures("_bounded")]

MOST_BYTES = 4 << 30
NUMBERS = st.builds(
    lambda size, bits: ((1 << min(bits, 8 * size)) - 1).to_bytes(size, "little"),
    st.sampled_from([4, 8]),
    st.integers(0, 64),
)
edits = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.binary(max_size=9) | NUMBERS), min_size=1, max_size=4)
"""Where, how much is taken out, and what is put there."""


def edited(content: bytes, changes: list[tuple[float, int, bytes]], length: int) -> bytes:
    """With changes in its first `length` bytes."""
    changed = bytearray(content)
    for place, size, new in changes:
        at = int(place * length)
        changed[at : at + size] = new
    return bytes(changed)


@pytest.fixture(scope="module")
def _bounded() -> Iterator[None]:
    """What a file leads to takes no unbounded memory."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST_BYTES, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def read(path: Path) -> None:
    """Configuration and weights, or one error."""
    with suppress(CheckpointError):
        load(open_checkpoint(path), jnp.float32)


def test_gguf(fuzz, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.gguf", "Q8_0").read_bytes()
    file = tmp_path / "edited.gguf"

    def check(drawn: tuple[list, float]) -> None:
        file.write_bytes(edited(whole, drawn[0], len(whole) // 4)[: int(len(whole) * drawn[1])])
        read(file)

    fuzz(st.tuples(edits, st.just(1.0) | st.floats(0, 1)), check)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint as transformers writes it, without a tokenizer."""
    configure(tmp_path, "llama")
    save_file(random_tensors(tmp_path), tmp_path / "model.safetensors")
    return tmp_path


def test_safetensors(fuzz, folder: Path) -> None:
    file = folder / "model.safetensors"
    whole = file.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")

    def check(changes: list) -> None:
        file.write_bytes(edited(whole, changes, header))
        read(folder)

    fuzz(edits, check)


def test_configurations(fuzz, folder: Path) -> None:
    check_json(fuzz, folder / "config.json", lambda: read(folder))


def test_indices(fuzz, folder: Path) -> None:
    shutil.move(folder / "model.safetensors", folder / "part.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": {"a": "part.safetensors"}}))
    check_json(fuzz, index, lambda: read(folder))


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_tokenizers(fuzz, tmp_path: Path, name: str) -> None:
    def look() -> None:
        with suppress(ValueError):
            ChatTokenizer(tmp_path)

    save_chatml(tmp_path)
    check_json(fuzz, tmp_path / name, look)


def check_json(fuzz: Any, file: Path, look: Any) -> None:
    """Looks at a file of JSON with other values in it, and with bytes turned."""
    text = file.read_text()
    whole = json.loads(text)
    everywhere = places(whole)

    def check(drawn: tuple[list, list, bool]) -> None:
        changes, turned, raw = drawn
        changed = whole
        for number, value in changes:
            place = everywhere[number % len(everywhere)]
            with suppress(LookupError, TypeError, AttributeError):  # what was there has been replaced
                changed = replaced(changed, place, value)
        content = json.dumps(changed).encode()
        file.write_bytes(edited(content, turned, len(content)) if raw else content)
        look()

    fuzz(
        st.tuples(st.lists(st.tuples(st.integers(0, 10**6), values), min_size=1, max_size=3), edits, st.booleans()),
        check,
    )
