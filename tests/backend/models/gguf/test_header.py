"""Headers of GGUF files: what gguf's own writer wrote is read, and nothing damaged does any harm."""

import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend import read_gguf_metadata
from backend.models.errors import CheckpointError
from backend.models.gguf.header import MOST_BYTES, read_header

VALUES = {
    "uint8": 200,
    "int8": -3,
    "uint16": 60_000,
    "int16": -30_000,
    "uint32": 1 << 31,
    "int32": -(1 << 31),
    "uint64": 1 << 63,
    "int64": -(1 << 63),
    "float32": 0.5,
    "float64": 0.1,
    "bool": True,
    "string": "añ\n\0",
    "array": ["", "Ġa", "▁"],
}
SHARED_FOLDER = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(file: Path, arrays: dict[str, Any] | None = None) -> Path:
    writer = gguf.GGUFWriter(file, "llama")
    for kind, value in VALUES.items():
        getattr(writer, f"add_{kind}")(f"a.{kind}", value)
    for key, value in (arrays or {}).items():
        writer.add_array(key, value)
    writer.add_tensor("token_embd.weight", np.zeros((3, 8), np.float32))
    writer.add_tensor("blk.0.attn_q.weight", np.zeros((2, 18), np.uint8), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def handmade(file: Path, body: bytes, tensors: int = 0, keys: int = 1, version: int = 3) -> Path:
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", version, tensors, keys) + body)
    return file


def refusal(file: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        read_header(file)
    return str(error.value)


def test_every_type_of_value_is_read(tmp_path: Path) -> None:
    metadata = read_gguf_metadata(write(tmp_path / "a.gguf", {"a.ints": [1, -2], "a.floats": [0.5], "a.bools": [True]}))
    for kind, value in VALUES.items():
        assert metadata[f"a.{kind}"] == value and type(metadata[f"a.{kind}"]) is type(value)
    assert metadata["general.architecture"] == "llama"
    for key, values in {"a.ints": [1, -2], "a.floats": [0.5], "a.bools": [True]}.items():
        assert isinstance(metadata[key], np.ndarray) and metadata[key].tolist() == values


def test_tensors_stand_where_the_package_finds_them(tmp_path: Path) -> None:
    file = write(tmp_path / "a.gguf")
    theirs = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    ours = read_header(file).tensors
    assert [tensor.name for tensor in ours] == list(theirs)
    for tensor in ours:
        their = theirs[tensor.name]
        assert (tensor.offset, tensor.type) == (their.data_offset, their.tensor_type)
        assert tensor.shape == tuple(reversed(their.shape.tolist()))


def test_a_split_files_values_are_those_of_its_first_part(tmp_path: Path) -> None:
    write(tmp_path / "a-00001-of-00002.gguf", {"a.ints": [7]})
    assert read_gguf_metadata(tmp_path / "a-00002-of-00002.gguf")["a.ints"].tolist() == [7]
    with pytest.raises(CheckpointError, match=r"b-00001-of-00002\.gguf cannot be read: No such file"):
        read_gguf_metadata(tmp_path / "b-00002-of-00002.gguf")


LONG = struct.pack("<Q", 1 << 60)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (LONG, "key 0 of 1: the file of .* ends within it"),
        (text("k") + struct.pack("<I", 8) + LONG, r"\(k: the file"),
        (text("k") + struct.pack("<II", 9, 8) + LONG, r"\(k: the file"),
        (text("k") + struct.pack("<II", 9, 4) + LONG, r"\(k: the file"),
        (text("k") + struct.pack("<II", 9, 9) + LONG, "k: an array of arrays"),
        (text("k") + struct.pack("<II", 9, 99) + LONG, "k: value type 99 is not known"),
        (text("k") + struct.pack("<I", 13), "k: value type 13 is not known"),
        (text("k") + struct.pack("<IQ", 8, 1) + b"\xff", "k: not UTF-8"),
        (text("general.alignment") + struct.pack("<II", 4, 24), "general.alignment: must be a power of two, not 24"),
        (text("general.alignment") + struct.pack("<II", 4, 0), "general.alignment: must be a power of two, not 0"),
        (text("general.alignment") + struct.pack("<If", 6, 32.0), "general.alignment: must be a power of two"),
    ],
)
def test_lengths_and_types_are_not_trusted(tmp_path: Path, body: bytes, said: str) -> None:
    file = handmade(tmp_path / "a.gguf", body)
    with pytest.raises(CheckpointError, match=said):
        read_header(file)


def test_counts_are_not_trusted(tmp_path: Path) -> None:
    assert "key 1 of 2: k is there twice" in refusal(
        handmade(tmp_path / "a", 2 * (text("k") + struct.pack("<IB", 0, 1)), keys=2)
    )
    assert "tensor 1 of 2: t is there twice" in refusal(
        handmade(tmp_path / "a", 2 * (text("t") + struct.pack("<IQIQ", 1, 1, 0, 0)), tensors=2, keys=0)
    )
    for shape in ((), (3, 0)):
        named = text("t") + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        assert f"t: its shape is {shape[::-1]}" in refusal(handmade(tmp_path / "a", named, tensors=1, keys=0))
    assert "t: 2000000000 axes" in refusal(
        handmade(tmp_path / "a", text("t") + struct.pack("<I", 2_000_000_000), tensors=1, keys=0)
    )
    assert f"it counts 0 tensors and {1 << 60} keys" in refusal(handmade(tmp_path / "a", b"", keys=1 << 60))
    assert f"it counts {1 << 60} tensors and 0 keys" in refusal(handmade(tmp_path / "a", b"", tensors=1 << 60, keys=0))


def test_values_that_take_too_much_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty strings: in memory they take many times the length of the file."""
    assert MOST_BYTES <= 1 << 29
    monkeypatch.setattr("backend.models.gguf.header.MOST_BYTES", 1 << 16)
    strings = handmade(tmp_path / "a", text("k") + struct.pack("<IIQ", 9, 8, 1 << 40))
    numbers = handmade(tmp_path / "b", text("k") + struct.pack("<IIQ", 9, 0, 1 + (1 << 16)))
    for file in (strings, numbers):
        with file.open("r+b") as opened:
            opened.truncate(1 << 20)
        assert f"k: key-values of more than {1 << 16:,} bytes" in refusal(file)


def test_what_is_no_gguf_file_of_today_is_told(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / "absent.gguf")
    assert "cannot be read: Is a directory" in refusal(tmp_path)
    for content in (b"", b"GGU", b"PK\3\4 and more", b"GGML" + bytes(40)):
        (tmp_path / "a").write_bytes(content)
        assert "a is not a GGUF file: it does not begin with 'GGUF'" in refusal(tmp_path / "a")
    assert "GGUF of version 1; readable are 2 and 3" in refusal(handmade(tmp_path / "a", b"", version=1))
    assert "a big-endian GGUF file; convert it" in refusal(handmade(tmp_path / "a", b"", version=3 << 24))


@SHARED_FOLDER
@given(data=st.data())
def test_a_damaged_header_is_refused_or_read_and_nothing_else(tmp_path: Path, data: st.DataObject) -> None:
    complete = (tmp_path / "whole").read_bytes() if (tmp_path / "whole").exists() else b""
    complete = complete or write(tmp_path / "whole", {"a.ints": [1, 2, 3]}).read_bytes()
    damaged = bytearray(complete[: data.draw(st.integers(0, len(complete)))])
    for place in data.draw(st.lists(st.integers(0, max(len(damaged) - 1, 0)), max_size=4)):
        if damaged:
            damaged[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "damaged").write_bytes(damaged)
    try:
        read_header(tmp_path / "damaged")
    except CheckpointError as error:
        assert str(tmp_path / "damaged") in str(error)
