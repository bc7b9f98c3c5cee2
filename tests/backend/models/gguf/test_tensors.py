"""Tensors of GGUF files, read by slices of any kind, against the gguf package on the whole."""

import json
from pathlib import Path
from typing import Any

import gguf
import jax.numpy as jnp
import numpy as np
import pytest

from backend.models.checkpoint import open_checkpoint
from backend.models.errors import CheckpointError
from backend.models.gguf.checkpoint import GGUFCheckpoint
from backend.models.gguf.header import read_header
from backend.models.gguf.tensors import GGUFTensor, read_tensors, readable
from backend.models.weights import load
from benchmarks.gguf_weights import add_config, add_tensors, finish, new_writer
from tests.backend.models.gguf.files import CONFIG, random_tensors, write

READABLE = sorted(readable())


def quantised(file: Path, kind: str, shape: tuple[int, ...]) -> tuple[GGUFTensor, np.ndarray]:
    """A tensor of random blocks, and all its numbers."""
    quantization = gguf.GGMLQuantizationType[kind]
    size = gguf.quant_shape_to_byte_shape(shape, quantization)
    blocks = np.random.default_rng(0).integers(0, 120, size=size, dtype=np.uint8)
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_tensor("t", blocks, raw_dtype=quantization)
    finish(writer)
    with np.errstate(all="ignore"):
        return read_tensors(file, read_header(file))["t"], gguf.quants.dequantize(blocks, quantization)


@pytest.mark.parametrize("kind", READABLE)
def test_any_slice_of_any_quantisation_is_that_slice_of_the_whole(tmp_path: Path, kind: str) -> None:
    tensor, whole = quantised(tmp_path / "t.gguf", kind, (6, 1024))
    assert (tensor.get_shape(), tensor.get_dtype()) == ([6, 1024], kind)
    for index in (
        (slice(None), slice(None)),
        (slice(1, 4), slice(40, 700)),
        (slice(5, 6), slice(256, 512)),
        slice(2, 3),
    ):
        found = tensor[index]
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, whole[index])


def test_tensors_of_one_and_three_axes_are_sliced_as_well(tmp_path: Path) -> None:
    for number, shape in enumerate(((64,), (3, 4, 64))):
        tensor, whole = quantised(tmp_path / f"{number}.gguf", "Q8_0", shape)
        for index in (slice(1, 3), (slice(0, 2), *[slice(1, 2)] * (len(shape) - 1))):
            np.testing.assert_array_equal(tensor[index], whole[index])


def test_a_span_of_rows_gives_its_blocks_as_they_are_stored(tmp_path: Path) -> None:
    tensor, whole = quantised(tmp_path / "t.gguf", "Q4_K", (6, 1024))
    blocks = tensor.blocks(slice(2, 5))
    assert blocks.dtype == np.uint8 and blocks.shape == (3, 1024 // 256 * 144)
    np.testing.assert_array_equal(gguf.quants.dequantize(blocks, tensor.quantization), whole[2:5])


def test_blocks_of_rows_that_are_stored_by_turns_are_in_our_order(tmp_path: Path) -> None:
    file = write(tmp_path / "model.gguf", quantization="Q8_0")
    query = GGUFCheckpoint(file).tensors["model.layers.0.self_attn.q_proj.weight"]
    for span in (slice(0, 32), slice(3, 13)):
        dequantised = gguf.quants.dequantize(query.blocks(span), query.quantization)
        np.testing.assert_array_equal(dequantised, query[span, :])
    exact = random_tensors(CONFIG)["model.layers.0.self_attn.q_proj.weight"]
    np.testing.assert_allclose(query[:, :], exact, atol=np.abs(exact).max() / 200)


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load(open_checkpoint(path), jnp.float32)
    return str(error.value)


def test_every_missing_extra_misshaped_and_unreadable_tensor_is_named_as_the_file_does(tmp_path: Path) -> None:
    tensors = random_tensors(CONFIG)
    for name in ("model.norm", "model.layers.1.self_attn.k_proj", "model.layers.1.self_attn.v_proj"):
        del tensors[f"{name}.weight"]
    tensors["model.layers.0.mlp.gate_proj.bias"] = np.zeros(3, np.float32)
    tensors["model.layers.0.self_attn.o_proj.weight"] = np.zeros((32, 64), np.float32)
    tensors["model.layers.1.mlp.down_proj.weight"] = np.zeros((32, 32), np.float32)
    file = tmp_path / "model.gguf"
    writer = new_writer(file, CONFIG)
    add_config(writer, CONFIG)
    add_tensors(writer, CONFIG, tensors, "F32")
    writer.add_tensor("blk.0.novel.weight", np.zeros(3, np.float32))
    writer.add_tensor("blk.1.attn_v.weight", np.zeros((16, 32), np.int32))
    finish(writer)
    message = refusal(file)
    for line in (
        "the weights do not fit the header of model.gguf, 7 differences",
        "missing: output_norm.weight (32,)",
        "missing: blk.1.attn_k.weight (16, 32)",
        "unexpected: blk.0.ffn_gate.bias (3,)",
        "unexpected: blk.0.novel.weight (3,)",
        "misshaped: blk.0.attn_output.weight is (32, 64), the header of model.gguf asks for (32, 32)",
        "misshaped: blk.1.ffn_down.weight is (32, 32)",
        "wrong dtype: blk.1.attn_v.weight is I32, readable are BF16, F16, F32, IQ1_M",
    ):
        assert line in message


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ((64, 0), (64, 200), "t is quantised in a way that is not known (type 200)"),
        ((64, 0), (64, 8), None),
        ((64, 0), (65, 8), "t has rows of 65, Q8_0 has blocks of 32"),
        ((64, 0), (1 << 40, 0), "is not complete: t ends at byte"),
    ],
)
def test_a_tensor_that_cannot_be_there_is_named(tmp_path: Path, old: Any, new: Any, said: str | None) -> None:
    writer = gguf.GGUFWriter(tmp_path / "t.gguf", "llama")
    writer.add_tensor("t", np.zeros((1, 64), np.float32))
    finish(writer)
    file = tmp_path / "t.gguf"
    record = [
        np.uint32(2).tobytes() + np.array([size, 1], np.uint64).tobytes() + np.uint32(kind).tobytes()
        for size, kind in (old, new)
    ]
    content = file.read_bytes()
    assert content.count(record[0]) == 1
    file.write_bytes(content.replace(*record))
    if said is None:
        assert read_tensors(file, read_header(file))["t"].get_dtype() == "Q8_0"
        return
    with pytest.raises(CheckpointError) as error:
        read_tensors(file, read_header(file))
    assert said in str(error.value) and str(file) in str(error.value)


def test_parts_of_a_split_file_must_be_what_their_names_say(tmp_path: Path) -> None:
    write(tmp_path / "model.gguf", split=5)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len(names) > 3 and load(open_checkpoint(tmp_path / names[1]), jnp.float32)
    (tmp_path / names[1]).write_bytes((tmp_path / names[2]).read_bytes())
    assert f"{names[1]}: split.no 2 and split.count {len(names)} do not fit its name" in refusal(tmp_path / names[0])
    (tmp_path / names[1]).unlink()
    assert f"lacks parts of a split GGUF file: {names[1]}" in refusal(tmp_path / names[0])
    (tmp_path / names[0]).rename(tmp_path / "alone.gguf")
    assert f"alone.gguf: split.no 0 and split.count {len(names)} do not fit" in refusal(tmp_path / "alone.gguf")


def test_a_file_says_of_a_folder_what_config_json_does(tmp_path: Path) -> None:
    """`fields` is a configuration that transformers reads."""
    fields = GGUFCheckpoint(write(tmp_path / "model.gguf")).fields
    assert json.loads(json.dumps(fields)) == fields
    for key, value in fields.items():
        if key in CONFIG and key != "rms_norm_eps":
            assert CONFIG[key] == value
