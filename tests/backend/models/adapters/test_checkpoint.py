"""What is wrong with an adapter is one error that lists all of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import nnx

from backend.attention import AttentionSpec
from backend.models.adapters import config
from backend.models.adapters.checkpoint import AdapterBase, file_rank, read_adapter
from backend.models.config import AttentionConfig, DecoderConfig, LayerConfig, MLPConfig
from backend.models.decoder import Decoder
from backend.models.errors import CheckpointError
from backend.models.rope import RopeConfig
from tests.backend.models.adapters.writing import STEM, write_adapter

ATTENTION = AttentionConfig(AttentionSpec(0.5), RopeConfig(), heads=4, kv_heads=2, head_dim=4, qkv_bias=True)
Q = f"{STEM}model.layers.0.self_attn.q_proj"
FLOAT = np.ones((4, 16), np.float32)


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    layers = (LayerConfig(ATTENTION, MLPConfig(24)),) * 2
    return Decoder(DecoderConfig(20, 16, layers, 64, 1e-6), rngs=nnx.Rngs(0))


def test_matrices_come_scaled_and_by_the_names_of_projections(tmp_path: Path, decoder: Decoder) -> None:
    adapter = read_adapter(write_adapter(tmp_path, decoder, rank=4, lora_alpha=6), base := AdapterBase(decoder))
    assert set(adapter.matrices) == {name for name in base.projections if name.endswith(("q_proj", "down_proj"))}
    first = adapter.matrices["model.layers.0.self_attn.q_proj"]
    assert first.down.shape == (4, 16) and first.up.shape == (16, 4)
    assert (adapter.rank, file_rank(tmp_path)) == (4, 4)
    assert adapter.bytes == 4 * sum(pair.down.size + pair.up.size for pair in adapter.matrices.values())
    by_root = read_adapter(write_adapter(tmp_path, decoder, rank=4, lora_alpha=6, use_rslora=True), base)
    np.testing.assert_allclose(by_root.matrices["model.layers.0.self_attn.q_proj"].up, first.up * 2, rtol=1e-6)


def test_of_shapes_an_adapter_is_read_as_of_weights(tmp_path: Path, decoder: Decoder) -> None:
    given = {f"{Q}.bias": np.full(16, 3, np.float32)}
    write_adapter(tmp_path, decoder, changed=given, bias="all")
    whole, shapes = (
        read_adapter(tmp_path, AdapterBase(of))
        for of in (decoder, nnx.eval_shape(lambda: Decoder(decoder.config, rngs=nnx.Rngs(0))))
    )
    assert whole.matrices.keys() == shapes.matrices.keys() and whole.biases.keys() == shapes.biases.keys() != set()
    np.testing.assert_array_equal(shapes.biases["model.layers.0.self_attn.q_proj"], 3)


CONFIGS: list[tuple[dict[str, Any], str]] = [
    ({"peft_type": "IA3"}, "peft_type 'IA3' is not served"),
    ({"use_dora": True}, "use_dora: DoRA is not served"),
    ({"modules_to_save": ["lm_head"]}, "modules_to_save: whole modules"),
    ({"init_lora_weights": "pissa_niter_4"}, "init_lora_weights 'pissa_niter_4' changed the base"),
    ({"target_parameters": ["experts"]}, "target_parameters: parameters of experts"),
    ({"r": 0}, "r must be a whole number from 1, not 0"),
    ({"lora_alpha": "much"}, "lora_alpha must be a finite number, not 'much'"),
    ({"rank_pattern": {"q_proj": 1.5}}, "rank_pattern must be an object of whole numbers"),
    ({"alpha_pattern": {"(": 1}}, "alpha_pattern: '(' is no regular expression"),
    ({"target_modules": 3}, "target_modules must be a list of names"),
    ({"bias": "some"}, "bias must be one of none, all, lora_only, not 'some'"),
    ({"layers_to_transform": ["x"]}, "layers_to_transform must be"),
    ({"target_modules": ["q_proj"]}, "model.layers.1.mlp.down_proj has lora_A and lora_B, and target_modules does not"),
    ({"target_modules": "all-linear"}, "missing: model.layers.1.mlp.up_proj, which target_modules means"),
    ({"r": 8}, f"misshaped: {Q}.lora_A.weight is (4, 16), the model and adapter_config.json ask for (8, 16)"),
]
TENSORS: list[tuple[str, np.ndarray | None, str]] = [
    (f"{Q}.lora_B.weight", None, "missing: of model.layers.0.self_attn.q_proj there is lora_A alone"),
    (f"{Q}.lora_A.weight", FLOAT.astype(np.int32), "is I32, readable are BF16, F16, F32"),
    (f"{Q}.lora_A.weight", FLOAT * np.nan, f"numbers that are not finite: {Q}.lora_A.weight"),
    (f"{Q}.lora_magnitude_vector", FLOAT[0], f"DoRA is not served: {Q}.lora_magnitude_vector"),
    (f"{Q}.lora_C.weight", FLOAT, f"unexpected: {Q}.lora_C.weight"),
    (f"{STEM}model.layers.7.self_attn.q_proj.lora_A.weight", FLOAT, "no linear layer model.layers.7.self_attn.q_proj"),
    (f"{STEM}model.layers.0.mlp.experts.3.up_proj.lora_A.weight", FLOAT, "adapters of experts are not served"),
    (f"{STEM}model.embed_tokens.lora_embedding_A", FLOAT, "adapters of embed_tokens are not served"),
    (f"{STEM}lm_head.weight", FLOAT, "adapters of lm_head are not served"),
    (f"{STEM}model.layers.0.self_attn.o_proj.bias", FLOAT[0], "o_proj of the model has no bias"),
    (f"{STEM}model.norm.weight", FLOAT[0], "the model has no linear layer model.norm"),
    ("strange", FLOAT, "the model has no linear layer strange"),
]


@pytest.mark.parametrize(("config", "message"), CONFIGS)
def test_what_the_configuration_asks_for_and_is_not_served_is_refused_by_name(
    tmp_path, decoder, config, message
) -> None:
    with pytest.raises(CheckpointError) as error:
        read_adapter(write_adapter(tmp_path, decoder, **config), AdapterBase(decoder))
    assert message in str(error.value)


@pytest.mark.parametrize(("name", "tensor", "message"), TENSORS)
def test_a_tensor_that_does_not_fit_is_refused_by_name(tmp_path, decoder, name, tensor, message) -> None:
    with pytest.raises(CheckpointError) as error:
        read_adapter(write_adapter(tmp_path, decoder, changed={name: tensor}), AdapterBase(decoder))
    assert message in str(error.value)


def test_all_faults_are_told_at_once(tmp_path: Path, decoder: Decoder) -> None:
    changed = {name: tensor for name, tensor, _ in TENSORS[4:]}
    wrong = {"use_dora": True, "modules_to_save": ["x"], "base_model_name_or_path": "somebody/else"}
    with pytest.raises(CheckpointError) as error:
        read_adapter(write_adapter(tmp_path, decoder, changed=changed, **wrong), AdapterBase(decoder), max_rank=2)
    for _, _, message in TENSORS[4:]:
        assert message in str(error.value)
    for message in ("use_dora", "modules_to_save", "somebody/else", "rank 4 is more than the 2", "11 faults"):
        assert message in str(error.value)


def test_a_folder_without_an_adapter_says_what_to_give(tmp_path: Path, decoder: Decoder) -> None:
    base = AdapterBase(decoder)
    with pytest.raises(CheckpointError, match=r"has no adapter_config\.json"):
        read_adapter(tmp_path, base)
    write_adapter(tmp_path, decoder)
    weights = tmp_path / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(CheckpointError, match="not a complete safetensors file"):
        read_adapter(tmp_path, base)
    weights.rename(tmp_path / "adapter_model.bin")
    with pytest.raises(CheckpointError, match="pickled"):
        read_adapter(tmp_path, base)
    (tmp_path / "adapter_config.json").write_text("[]")
    with pytest.raises(CheckpointError, match="must hold a JSON object"):
        read_adapter(tmp_path, base)


def test_a_pattern_that_never_ends_is_refused(tmp_path: Path, decoder: Decoder, monkeypatch) -> None:
    monkeypatch.setattr(config, "MATCH_SECONDS", 0.05)
    folder = write_adapter(tmp_path, decoder, target_modules=r"(.|.|.)*[!-#]")
    with pytest.raises(CheckpointError, match="takes too long to match"):
        read_adapter(folder, AdapterBase(decoder))
