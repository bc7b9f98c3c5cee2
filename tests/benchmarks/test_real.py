"""A GGUF file in another type is the same model."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from backend import read_gguf_metadata
from backend.models import hub
from backend.models.gguf.checkpoint import GGUFCheckpoint
from benchmarks.real import KINDS, write_as
from tests.parity.gguf_files import write


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(hub.resolve("tiny"), tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_model_in_another_type(source: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "other.gguf"
    write_as(source, target, kind)
    before, after = GGUFCheckpoint(source), GGUFCheckpoint(target)
    assert before.fields == after.fields
    assert read_gguf_metadata(source).keys() - {"general.file_type"} == read_gguf_metadata(target).keys()
    assert before.tensors.keys() == after.tensors.keys()
    for name, tensor in before.tensors.items():
        exact = np.asarray(tensor[:])
        wanted = gguf.GGMLQuantizationType[kind] if exact.ndim > 1 else gguf.GGMLQuantizationType.F32
        assert after.tensors[name].get_dtype() == wanted.name
        error = np.abs(np.asarray(after.tensors[name][:]) - exact).max()
        assert error <= {"F32": 0, "BF16": 2**-8, "Q8_0": 0.01, "Q4_1": 0.12}[kind] * np.abs(exact).max()
