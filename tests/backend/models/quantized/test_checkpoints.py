"""Folders of each method: whole models answer as the floats that their weights stand for; faults are named."""

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from backend.attention.uncached import UncachedAttend
from backend.models import weights
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder
from backend.models.errors import CheckpointError
from backend.models.storage import Storage, abstract_decoder, kernels
from tests.backend.models.quantized.conftest import FP8_BLOCK, GPTQ, METHODS, compressed
from tests.compiling import on_devices

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "vocab_size": 40,
    "tie_word_embeddings": False,
}
FLOAT = jnp.dtype(jnp.float32)
KEPT = {method: "int8" if "8" in method else "int4" for method in METHODS}
KEPT |= {"fp8-tensor": "float8_e4m3fn", "fp8-block": "float8_e4m3fn", "gptq-order": None}


def write(folder: Path, tensors: dict[str, np.ndarray], quantization: dict[str, Any] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    extra = {} if quantization is None else {"quantization_config": quantization}
    (folder / "config.json").write_text(json.dumps(CONFIG | extra))
    save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """The tensors of a model of random floats."""
    folder, random = write(tmp_path_factory.mktemp("plain"), {}), np.random.default_rng(0)
    decoder = abstract_decoder_of(folder)
    shapes = {stored.name: stored.shape for part in decoder.parameters().values() for stored in part.source.stored()}
    return {name: random.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}


def abstract_decoder_of(folder: Path) -> Decoder:
    return nnx.eval_shape(lambda: Decoder(open_checkpoint(folder).config, rngs=nnx.Rngs(0)))


def quantised(plain: dict[str, np.ndarray], method: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The tensors as the method stores them, its linear layers quantised, and the floats that they stand for."""
    stored, floats = {}, {}
    for name, tensor in plain.items():
        if "_proj" in name:
            parts, floats[name] = METHODS[method][1](tensor)
            stored |= {f"{name.removesuffix('weight')}{part}": array for part, array in parts.items()}
        else:
            stored[name] = floats[name] = tensor
    return stored, floats


def logits(decoder: Decoder) -> jax.Array:
    tokens = jnp.asarray([[5, 9, 30, 2, 17, 39]])
    context = decoder.context(jnp.arange(6)[None], UncachedAttend())
    hidden, _ = decoder(decoder.embed(tokens), context, [None] * len(decoder.layers))
    return decoder.logits(hidden)


@pytest.mark.parametrize("method", METHODS)
def test_a_quantised_model_answers_as_the_floats_that_it_stands_for(
    method: str, plain: dict[str, np.ndarray], tmp_path: Path
) -> None:
    stored, floats = quantised(plain, method)
    folder = write(tmp_path / "quantised", stored, METHODS[method][0])
    exact = logits(weights.load(open_checkpoint(write(tmp_path / "floats", floats)), FLOAT))
    kept = weights.load(open_checkpoint(folder), Storage(FLOAT, None))
    np.testing.assert_allclose(logits(kept), exact, rtol=1e-4, atol=1e-4)
    formats = {kernel.format.values for kernel in kernels(kept)} - {"float32"}
    assert formats == {KEPT[method]} - {None}
    unpacked = weights.load(open_checkpoint(folder), Storage(FLOAT, FLOAT, "none"))
    np.testing.assert_allclose(logits(unpacked), exact, rtol=1e-4, atol=1e-4)
    assert weights.weight_bytes(kept) <= weights.weight_bytes(unpacked)


@pytest.mark.parametrize("method", METHODS)
def test_activations_become_eight_bits_unless_only_weights_are_quantised(
    method: str, plain: dict[str, np.ndarray], tmp_path: Path
) -> None:
    folder = write(tmp_path, quantised(plain, method)[0], METHODS[method][0])
    decoder = abstract_decoder(open_checkpoint(folder), Storage(FLOAT, None, eight_bits=True))
    assert {kernel.eight_bits for kernel in kernels(decoder.layers[0])} == {
        method in ("int8", "fp8-tensor", "fp8-block")
    }


ON_FOUR_DEVICES = """
import sys
from pathlib import Path
import jax, jax.numpy as jnp, numpy as np
from flax import nnx
from backend.models import weights
from backend.models.checkpoint import open_checkpoint
from backend.models.storage import Storage
from backend.sharding import make_mesh
from tests.backend.models.quantized.test_checkpoints import logits

mesh = make_mesh(jax.devices(), [4])
for number, (folder, *choice) in enumerate(part.split(":") for part in sys.argv[2:]):
    storage = Storage(jnp.dtype("float32"), None, choice[0], eight_bits=choice[1] == "8")
    decoder = weights.load(open_checkpoint(Path(folder)), storage, mesh=mesh)
    assert len(decoder.layers[0].mixer.qkv.kernel.values.get_value().sharding.device_set) == 4
    graph, state = nnx.split(decoder)
    found = jax.jit(lambda state: logits(nnx.merge(graph, state)))(state)
    np.save(f"{sys.argv[1]}/{number}.npy", np.asarray(found))
"""


def test_a_quantised_model_that_is_split_over_devices_gives_the_same_scores(
    plain: dict[str, np.ndarray], tmp_path: Path
) -> None:
    stored = [(method, quantised(plain, method)[0], METHODS[method][0]) for method in ("fp8-block", "packed")]
    cases = [(write(tmp_path / method, tensors, config), "auto", "") for method, tensors, config in stored]
    floats = write(tmp_path / "floats", plain)
    cases += [(floats, "int4", ""), (floats, "int8", "8"), (floats, "fp8", "8")]
    arguments = [str(tmp_path), *(f"{folder}:{how}:{eight}" for folder, how, eight in cases)]
    command = [sys.executable, "-c", ON_FOUR_DEVICES, *arguments]
    done = subprocess.run(command, env=on_devices(4), capture_output=True, text=True, timeout=170)
    assert done.returncode == 0, done.stderr
    for number, (folder, quantization, eight) in enumerate(cases):
        storage: Any = Storage(FLOAT, None, quantization, eight_bits=eight == "8")  # type: ignore[arg-type]
        decoder = weights.load(open_checkpoint(folder), storage)
        for kernel in kernels(decoder):
            kernel.native = False
        graph, state = nnx.split(decoder)
        alone = jax.jit(lambda state, graph=graph: logits(nnx.merge(graph, state)))(state)
        found = np.load(tmp_path / f"{number}.npy")
        np.testing.assert_allclose(found, alone, rtol=1e-3, atol=1e-3, err_msg=f"{folder} {quantization} {eight}")


def test_what_is_not_used_or_becomes_floats_is_logged(
    plain: dict[str, np.ndarray], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stored, _ = quantised(plain, "gptq-order")
    write(tmp_path, stored, GPTQ)
    assert len(open_checkpoint(tmp_path).tensors) == len(plain)
    assert "14 weights become floats" in caplog.text
    stored, _ = quantised(plain, "fp8-tensor")
    cache = {f"model.layers.0.self_attn.{part}_scale": np.ones(1, np.float32) for part in "kv"}
    write(tmp_path, stored | cache, METHODS["fp8-tensor"][0])
    assert open_checkpoint(tmp_path).tensors.keys() == plain.keys()
    assert "input_scale" in caplog.text and "self_attn.k_scale" in caplog.text


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"quant_method": "bitsandbytes"}, "quantization_config.quant_method 'bitsandbytes' is not supported"),
        ({"bits": 4}, "quant_method None"),
        (GPTQ | {"bits": 3}, "quantization_config.bits 3 is not supported; supported are 4, 8"),
        (GPTQ | {"checkpoint_format": "marlin"}, "checkpoint_format 'marlin'"),
        (GPTQ | {"is_marlin_format": True}, "is_marlin_format"),
        ({"quant_method": "awq", "bits": 4, "version": "gemv"}, "version 'gemv' is not supported; supported are gemm"),
        ({"quant_method": "awq", "bits": 8}, "bits 8"),
        (FP8_BLOCK | {"fmt": "e5m2"}, "fmt 'e5m2'"),
        (compressed("nvfp4-pack-quantized"), "format 'nvfp4-pack-quantized'"),
        (compressed("pack-quantized", num_bits=3), "config_groups.weights.num_bits 3"),
        (compressed("int-quantized") | {"transform_config": {"config_groups": {"a": 1}}}, "transform_config"),
        (
            compressed("int-quantized") | {"sparsity_config": {"format": "sparse-24-bitmask"}},
            "sparsity_config.format 'sparse-24-bitmask'",
        ),
    ],
)
def test_what_is_not_served_is_named(
    config: dict[str, Any], words: str, plain: dict[str, np.ndarray], tmp_path: Path
) -> None:
    assert words in refusal(write(tmp_path, plain, config))


@pytest.mark.parametrize(
    ("method", "part", "words"),
    [
        ("int8", "weight_scale", "{}.weight_scale, for {}.weight"),
        ("fp8-block", "weight_scale_inv", "{}.weight_scale_inv or weight_scale, for {}.weight"),
        ("packed", "weight_shape", "{}.weight_shape, for {}.weight_packed"),
        ("gptq", "qzeros", "{}.qzeros, for {}.qweight"),
        ("awq", "scales", "{}.scales, for {}.qweight"),
    ],
)
def test_a_missing_part_is_named(
    method: str, part: str, words: str, plain: dict[str, np.ndarray], tmp_path: Path
) -> None:
    stored, _ = quantised(plain, method)
    stem = "model.layers.1.mlp.down_proj"
    del stored[f"{stem}.{part}"]
    assert words.format(stem, stem) in refusal(write(tmp_path, stored, METHODS[method][0]))


@pytest.mark.parametrize(
    ("method", "part", "shape", "words"),
    [
        ("int8", "weight_scale", (64, 5), "weight_scale is (64, 5): scales of a weight (64, 96) are one, one per row"),
        ("fp8-block", "weight_scale_inv", (2, 3), "or one per block of 24 x 32"),
        ("packed", "weight_scale", (64, 5), "weight_scale has 5 groups, which do not divide a row of 96"),
        ("gptq", "scales", (3, 60), "not those of 4 bits"),
        ("awq", "qzeros", (2, 8), "not those of 4 bits"),
    ],
)
def test_parts_that_do_not_fit_are_named(
    method: str, part: str, shape: tuple[int, ...], words: str, plain: dict[str, np.ndarray], tmp_path: Path
) -> None:
    stored, _ = quantised(plain, method)
    name = f"model.layers.1.mlp.down_proj.{part}"
    stored[name] = np.resize(stored[name], shape)
    message = refusal(write(tmp_path, stored, METHODS[method][0]))
    assert words in message and "model.layers.1.mlp.down_proj" in message


def test_eight_bits_without_scales_are_refused(plain: dict[str, np.ndarray], tmp_path: Path) -> None:
    stored, _ = quantised(plain, "int8")
    message = refusal(write(tmp_path, stored))
    assert "wrong dtype: model.layers.0.mlp.down_proj.weight is I8" in message
    assert "unexpected: model.layers.0.mlp.down_proj.weight_scale" in message


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        weights.load(open_checkpoint(folder), FLOAT)
    return str(error.value)
