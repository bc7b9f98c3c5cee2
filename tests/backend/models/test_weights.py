"""Loading: every element where it belongs, every fault in one message."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec
from safetensors.numpy import save_file

from backend.models import storage
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder
from backend.models.errors import CheckpointError
from backend.models.families import FAMILIES
from backend.models.sources import Concatenated, Stored
from backend.models.storage import Storage
from backend.models.tensors import Tensors
from backend.models.weights import is_finite, load, place

SMALL = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "vocab_size": 20,
}
NUMPY = {"F32": np.float32, "F16": np.float16, "BF16": ml_dtypes.bfloat16}


def configure(folder: Path, family: str, **fields: Any) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": family, **SMALL, **fields}))


def random_tensors(folder: Path, dtype: Any = np.float32) -> dict[str, np.ndarray]:
    """A complete checkpoint of the folder's configuration, by the shapes that transformers stores."""
    config, random = open_checkpoint(folder).config, np.random.default_rng(0)
    return {
        stored.name: random.normal(size=stored.shape).astype(np.float32).astype(dtype)
        for parameter in nnx.eval_shape(lambda: fresh(config)).parameters().values()
        for stored in parameter.source.stored()
    }


def fresh(config: Any) -> Decoder:
    return Decoder(config, rngs=nnx.Rngs(0))


def parameters(decoder: Decoder) -> dict[Any, Any]:
    return dict(nnx.to_flat_state(nnx.split(decoder)[1]))


def values(decoder: Decoder) -> dict[Any, np.ndarray]:
    return {path: np.asarray(variable.get_value()) for path, variable in parameters(decoder).items()}


def loaded(folder: Path, dtype: Any = jnp.float32, **options: Any) -> dict[Any, np.ndarray]:
    return values(load(open_checkpoint(folder), dtype, **options))


def refusal(folder: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        loaded(folder)
    return str(error.value)


def test_fused_kernels_are_ordered_by_kv_head_and_by_hidden_unit(tmp_path: Path) -> None:
    configure(tmp_path, "qwen2")
    tensors = random_tensors(tmp_path)
    save_file(tensors, tmp_path / "model.safetensors")
    stem, ours = "model.layers.1.self_attn", loaded(tmp_path)
    for theirs, name in (("weight", ("kernel", "values")), ("bias", ("bias",))):
        q, k, v = (tensors[f"{stem}.{part}.{theirs}"] for part in ("q_proj", "k_proj", "v_proj"))
        heads = [np.concatenate([q[8 * i : 8 * i + 8], k[4 * i : 4 * i + 4], v[4 * i : 4 * i + 4]]) for i in range(2)]
        np.testing.assert_array_equal(ours["layers", 1, "mixer", "qkv", *name], np.concatenate(heads))
    gate, up = (tensors[f"model.layers.0.mlp.{name}_proj.weight"] for name in ("gate", "up"))
    fused = ours["layers", 0, "feed_forward", "gate_up", "kernel", "values"]
    np.testing.assert_array_equal(fused[0::2], gate)
    np.testing.assert_array_equal(fused[1::2], up)
    np.testing.assert_array_equal(ours["head", "values"], tensors["lm_head.weight"])


@pytest.mark.parametrize("stored", NUMPY)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_every_disk_dtype_is_cast_and_norms_stay_float32(tmp_path: Path, stored: str, dtype: Any) -> None:
    configure(tmp_path, "gemma2")
    tensors = random_tensors(tmp_path, NUMPY[stored])
    save_file(tensors, tmp_path / "model.safetensors")
    ours = loaded(tmp_path, dtype)
    down = tensors["model.layers.0.mlp.down_proj.weight"].astype(jnp.dtype(dtype))
    np.testing.assert_array_equal(ours["layers", 0, "feed_forward", "down", "kernel", "values"], down)
    np.testing.assert_array_equal(ours["norm", "scale"], 1 + tensors["model.norm.weight"].astype(np.float32))
    assert ours["norm", "scale"].dtype == np.float32 and ours["embedding", "values"].dtype == jnp.dtype(dtype)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sharded_checkpoint_loads_as_a_single_file(tmp_path: Path, family: str) -> None:
    fields: dict[str, Any] = {"hidden_size_per_layer_input": 0}
    if family.startswith("qwen3_vl"):
        fields["rope_parameters"] = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 0]}
    if f"{family}_text" in FAMILIES:
        vision = {
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 8,
            "num_heads": 2,
            "deepstack_visual_indexes": [0],
        }
        fields = {"text_config": {"model_type": f"{family}_text", **SMALL, **fields}}
        fields |= {"vision_config": vision} if family == "qwen3_vl" else {}
    configure(tmp_path, family, **fields)
    tensors = random_tensors(tmp_path)
    save_file(tensors, tmp_path / "model.safetensors")
    single = loaded(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    files = {name: f"model-{index % 3}.safetensors" for index, name in enumerate(sorted(tensors))}
    for file in set(files.values()):
        save_file({name: tensors[name] for name in tensors if files[name] == file}, tmp_path / file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    sharded = loaded(tmp_path)
    assert single.keys() == sharded.keys()
    for path, value in single.items():
        np.testing.assert_array_equal(value, sharded[path])
    (tmp_path / "model-1.safetensors").unlink()
    assert "model-1.safetensors" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("stem", "head"), [("language_model.model.", "language_model."), ("model.language_model.", "")]
)
def test_gemma_3_multimodal_loads_its_text_decoder_only(tmp_path: Path, stem: str, head: str) -> None:
    configure(tmp_path, "gemma3_text", tie_word_embeddings=False)
    tensors = random_tensors(tmp_path)
    save_file(tensors, tmp_path / "model.safetensors")
    text = loaded(tmp_path)
    configure(tmp_path, "gemma3", text_config=json.loads((tmp_path / "config.json").read_text()))
    names = {name: head + name if name == "lm_head.weight" else stem + name.removeprefix("model.") for name in tensors}
    image = {"vision_tower.embeddings.weight": np.ones(3), "multi_modal_projector.norm.weight": np.ones(3)}
    save_file({names[name]: value for name, value in tensors.items()} | image, tmp_path / "model.safetensors")
    for path, value in loaded(tmp_path).items():
        np.testing.assert_array_equal(value, text[path])


def test_every_missing_extra_misshaped_and_unreadable_tensor_is_named_at_once(tmp_path: Path) -> None:
    configure(tmp_path, "llama")
    tensors = random_tensors(tmp_path)
    del tensors["model.norm.weight"], tensors["model.layers.1.self_attn.k_proj.weight"]
    tensors["model.layers.0.self_attn.q_proj.bias"] = np.zeros(16, np.float32)
    tensors["model.embed_tokens.weight"] = np.zeros((21, 16), np.float32)
    tensors["lm_head.weight"] = tensors["lm_head.weight"].astype(np.int8)
    save_file(tensors, tmp_path / "model.safetensors")
    message = refusal(tmp_path)
    for line in (
        "5 differences",
        "missing: model.norm.weight (16,)",
        "missing: model.layers.1.self_attn.k_proj.weight (8, 16)",
        "unexpected: model.layers.0.self_attn.q_proj.bias (16,)",
        "misshaped: model.embed_tokens.weight is (21, 16), config.json asks for (20, 16)",
        "wrong dtype: lm_head.weight is I8",
    ):
        assert line in message


@pytest.mark.parametrize("storage", [jnp.float32, jnp.bfloat16, "int8", "int4", "fp8"])
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_every_tensor_with_a_number_that_is_not_finite_is_named_at_once(
    tmp_path: Path, storage: Any, number: float
) -> None:
    configure(tmp_path, "llama")
    tensors = random_tensors(tmp_path)
    wrong = ["model.layers.0.self_attn.k_proj.weight", "model.layers.1.mlp.down_proj.weight", "model.norm.weight"]
    for name in wrong:
        tensors[name].reshape(-1)[-1] = number
    save_file(tensors, tmp_path / "model.safetensors")
    if isinstance(storage, str):
        storage = Storage(jnp.dtype(jnp.float32), None, storage)
    with np.errstate(invalid="ignore"), pytest.raises(CheckpointError) as raised:
        load(open_checkpoint(tmp_path), storage)
    message = str(raised.value)
    assert "not finite" in message
    assert sorted(line.strip() for line in message.splitlines()[1:-1]) == wrong


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float8_e4m3fn"])
def test_every_bit_pattern_is_finite_or_not(dtype: str) -> None:
    kind = jnp.dtype(dtype)
    top = np.arange(1 << 8 * min(2, kind.itemsize), dtype=np.uint32) << (16 if kind.itemsize == 4 else 0)
    numbers = top.astype(f"uint{8 * kind.itemsize}").view(kind)
    for number in numbers:
        assert is_finite(number.reshape(1)) == bool(np.isfinite(number.astype(np.float32)))
    many = np.ones((700, 1000), kind)
    assert is_finite(many)
    many[-1, -1] = np.nan
    assert not is_finite(many) and is_finite(many.view(f"int{8 * kind.itemsize}"))


@pytest.mark.parametrize("tied", [True, False])
def test_old_buffers_and_the_copy_of_a_tied_head_are_harmless(tmp_path: Path, tied: bool) -> None:
    configure(tmp_path, "llama", tie_word_embeddings=tied)
    extra = {"model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(2, np.float32)}
    head = {"lm_head.weight": np.ones((20, 16), np.float32)}
    save_file(random_tensors(tmp_path) | extra | head, tmp_path / "model.safetensors")
    assert (("head", "values") in loaded(tmp_path)) is not tied


def test_progress_counts_every_byte_once(tmp_path: Path) -> None:
    configure(tmp_path, "qwen3")
    save_file(random_tensors(tmp_path), tmp_path / "model.safetensors")
    seen: list[tuple[int, int]] = []
    ours = loaded(tmp_path, progress=lambda done, total: seen.append((done, total)))
    total = sum(value.nbytes for value in ours.values())
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (total, total) and len(seen) == len(ours)


def test_pickled_truncated_and_absent_weights_are_refused(tmp_path: Path) -> None:
    configure(tmp_path, "llama")
    assert "neither model.safetensors nor" in refusal(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    assert "pytorch_model.bin" in refusal(tmp_path) and "convert" in refusal(tmp_path)
    save_file(random_tensors(tmp_path), tmp_path / "model.safetensors")
    complete = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(complete[:-5])
    assert "not a complete safetensors file" in refusal(tmp_path)


def test_a_parameter_is_placed_with_the_sharding_it_asks_for(tmp_path: Path) -> None:
    stored = {"a": np.arange(6, dtype=np.float32).reshape(3, 2), "b": np.ones((4, 2), np.float32)}
    save_file(stored, tmp_path / "model.safetensors")
    sharding = NamedSharding(jax.make_mesh((1,), ("model",)), PartitionSpec("model"))
    target = jax.ShapeDtypeStruct((7, 2), jnp.float32, sharding=sharding)
    array = place(Tensors(tmp_path), Concatenated((Stored("a", (3, 2)), Stored("b", (4, 2)))), target)
    assert array.sharding == sharding
    np.testing.assert_array_equal(array, np.concatenate([stored["a"], stored["b"]]))


def test_loaded_weights_compile_as_fresh_ones_do(tmp_path: Path) -> None:
    """A committed array among uncommitted ones would compile every program a second time."""
    configure(tmp_path, "llama")
    save_file(random_tensors(tmp_path), tmp_path / "model.safetensors")
    double = jax.jit(lambda weights, state: state + weights.sum())
    state = jnp.zeros(3)
    for _ in range(2):
        state = double(load(open_checkpoint(tmp_path), jnp.float32).embedding.values[...], state)
    assert not state.committed


@pytest.mark.parametrize(
    ("key", "value"),
    [("model_type", []), ("model_type", {}), ("num_hidden_layers", "two"), ("hidden_size", 0), ("rope_parameters", 7),
     ("num_attention_heads", 0), ("layer_types", 5), ("quantization_config", "int8"), ("rms_norm_eps", [])],
)  # fmt: skip
def test_values_of_other_kinds_in_a_configuration_are_one_error(tmp_path: Path, key: str, value: Any) -> None:
    configure(tmp_path, "llama")
    save_file(random_tensors(tmp_path), tmp_path / "model.safetensors")
    configure(tmp_path, "llama", **{key: value})
    assert refusal(tmp_path).startswith("config.json")


@pytest.mark.parametrize(
    ("count", "reason"), [(400, "400 layers"), (10**6, "num_hidden_layers"), (1e300, "num_hidden_l")]
)
def test_nothing_is_made_for_layers_that_the_weights_cannot_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: float, reason: str
) -> None:
    configure(tmp_path, "llama")
    save_file(random_tensors(tmp_path), tmp_path / "model.safetensors")
    configure(tmp_path, "llama", num_hidden_layers=count)
    monkeypatch.setattr(storage, "Decoder", None)
    assert reason in refusal(tmp_path)
