"""config.json of published models is read as their authors meant it; what is not honoured is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from backend.models.checkpoint import open_checkpoint
from backend.models.config import DecoderConfig
from backend.models.errors import CheckpointError
from backend.models.families import FAMILIES
from backend.models.rope import RopeConfig

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 50,
}


LONGROPE = {"rope_type": "longrope", "original_max_position_embeddings": 64, "short_factor": [1.0] * 8}


def read(folder: Path, **raw: Any) -> DecoderConfig:
    (folder / "config.json").write_text(json.dumps(raw))
    return open_checkpoint(folder).config


def refusal(folder: Path, **raw: Any) -> str:
    with pytest.raises(CheckpointError) as error:
        read(folder, **raw)
    return str(error.value)


def test_llama_3_2_1b(tmp_path: Path) -> None:
    bands = {"high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192}
    config = read(
        tmp_path,
        model_type="llama",
        architectures=["LlamaForCausalLM"],
        attention_bias=False,
        head_dim=64,
        hidden_act="silu",
        hidden_size=2048,
        intermediate_size=8192,
        max_position_embeddings=131072,
        mlp_bias=False,
        num_attention_heads=32,
        num_hidden_layers=16,
        num_key_value_heads=8,
        pretraining_tp=1,
        rms_norm_eps=1e-05,
        rope_scaling={"factor": 32.0, "rope_type": "llama3", **bands},
        rope_theta=500000.0,
        tie_word_embeddings=True,
        torch_dtype="bfloat16",
        vocab_size=128256,
    )
    rope = RopeConfig(theta=500000.0, kind="llama3", factor=32.0, original_context=8192)
    assert {layer.mixer.rope for layer in config.layers} == {rope}
    assert (config.context, config.layers[0].feed_forward.size) == (131072, 8192)
    attention = config.layers[0].mixer
    assert (attention.heads, attention.kv_heads, attention.head_dim) == (32, 8, 64)
    assert config.tied_head and not attention.qkv_bias and config.norm_epsilon == 1e-5


def test_mistral_7b_slides_in_every_layer(tmp_path: Path) -> None:
    config = read(tmp_path, model_type="mistral", **SMALL, sliding_window=4096, rope_theta=10000.0)
    assert {layer.mixer.spec.window for layer in config.layers} == {4096}
    assert read(tmp_path, model_type="mistral", **SMALL, sliding_window=None).layers[0].mixer.spec.window is None


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_qwen_slides_only_where_it_is_switched_on(tmp_path: Path, family: str) -> None:
    off = read(tmp_path, model_type=family, **SMALL, use_sliding_window=False, sliding_window=9, max_window_layers=1)
    on = read(tmp_path, model_type=family, **SMALL, use_sliding_window=True, sliding_window=9, max_window_layers=1)
    assert [layer.mixer.spec.window for layer in off.layers] == [None, None]
    assert [layer.mixer.spec.window for layer in on.layers] == [None, 9]
    attention = on.layers[0].mixer
    assert (attention.qkv_bias, attention.out_bias, attention.qk_norm) == (family == "qwen2", False, family == "qwen3")


def test_gemma_2_alternates_and_caps(tmp_path: Path) -> None:
    config = read(tmp_path, model_type="gemma2", **SMALL, query_pre_attn_scalar=144, sliding_window=7)
    first, second = (layer.mixer.spec for layer in config.layers)
    assert (first.window, second.window, first.softcap, first.scale) == (7, None, 50.0, 1 / 12)
    assert (config.logit_softcap, config.embedding_scale, config.layers[0].feed_forward.activation) == (
        30.0,
        8.0,
        "gelu_tanh",
    )
    assert config.tied_head and config.sandwich_norms


def test_gemma_3_has_two_ropes_and_counts_its_context_already_stretched(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        model_type="gemma3_text",
        **SMALL | {"num_hidden_layers": 6},
        max_position_embeddings=131072,
        rope_local_base_freq=10000,
        rope_scaling={"factor": 8.0, "rope_type": "linear"},
        rope_theta=1000000,
        sliding_window=512,
    )
    local, whole = RopeConfig(theta=1e4), RopeConfig(theta=1e6, kind="linear", factor=8.0)
    assert [layer.mixer.rope for layer in config.layers] == [local] * 5 + [whole]
    assert [layer.mixer.spec.window for layer in config.layers] == [512] * 5 + [None]
    assert config.context == 131072


def test_gemma_3_multimodal_is_read_by_its_text_configuration(tmp_path: Path) -> None:
    text = {"model_type": "gemma3_text", **SMALL}
    assert read(tmp_path, model_type="gemma3", text_config=text, vision_config={}) == read(tmp_path, **text)


def test_gemma_4_has_heads_of_two_sizes_and_keys_that_are_values(tmp_path: Path) -> None:
    text = {"model_type": "gemma4_text", **SMALL | {"num_hidden_layers": 6}, "hidden_size_per_layer_input": 0}
    text |= {"head_dim": 16, "global_head_dim": 32, "num_global_key_value_heads": 1, "attention_k_eq_v": True}
    config = read(tmp_path, **text, final_logit_softcapping=30.0, use_bidirectional_attention="vision")
    local, whole = config.layers[4].mixer, config.layers[5].mixer
    assert {layer.mixer for layer in config.layers[:5]} == {local}
    assert (local.kv_heads, local.head_dim, local.keys_as_values, local.spec.window) == (2, 16, False, 512)
    assert (whole.kv_heads, whole.head_dim, whole.keys_as_values, whole.spec.window) == (1, 32, True, None)
    assert whole.rope == RopeConfig(theta=1e6, kind="proportional", turning=0.25) and local.rope == RopeConfig(1e4)
    assert local.spec.scale == whole.spec.scale == 1.0 and local.v_norm and whole.v_norm
    assert (config.logit_softcap, config.embedding_scale, config.layer_scales) == (30.0, 8.0, True)
    assert read(tmp_path, model_type="gemma4", text_config=text) == read(tmp_path, **text)


def test_layers_of_one_type_that_differ_are_refused(tmp_path: Path) -> None:
    text = {"model_type": "gemma4_text", **SMALL, "hidden_size_per_layer_input": 0}
    layers = {"layer_types": ["full_attention"] * 2, "per_layer_config": {"0": {"head_dim": 32}}}
    assert "layers of one type must be alike" in refusal(tmp_path, **text, **layers)


@pytest.mark.parametrize(
    ("scaling", "context"),
    [
        ({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}, 131072),
        ({"type": "linear", "factor": 2.0}, 65536),
        ({"rope_type": "dynamic", "factor": 2.0}, 65536),
        (None, 32768),
    ],
)
def test_context_is_what_rope_scaling_stretches_it_to(tmp_path: Path, scaling: Any, context: int) -> None:
    config = read(tmp_path, model_type="qwen2", **SMALL, max_position_embeddings=32768, rope_scaling=scaling)
    assert config.context == context


def test_old_and_new_spelling_of_rope_settings_are_the_same(tmp_path: Path) -> None:
    yarn = {"factor": 4.0, "original_max_position_embeddings": 64}
    old = read(tmp_path, model_type="qwen3", **SMALL, rope_theta=5e5, rope_scaling={"type": "yarn", **yarn})
    new = read(tmp_path, model_type="qwen3", **SMALL, rope_parameters={"rope_type": "yarn", "rope_theta": 5e5, **yarn})
    assert old == new
    assert old.layers[0].mixer.rope.attention_factor > 1.1


def test_unsupported_model_type_lists_the_supported_ones(tmp_path: Path) -> None:
    message = refusal(tmp_path, model_type="mixtral", **SMALL)
    assert "'mixtral'" in message and all(family in message for family in FAMILIES)


@pytest.mark.parametrize(
    ("family", "field", "value", "named"),
    [
        ("llama", "mlp_bias", True, "mlp_bias"),
        ("llama", "hidden_act", "relu", "hidden_act 'relu'"),
        ("llama", "num_key_value_heads", 3, "num_key_value_heads 3"),
        ("llama", "head_dim", 15, "head_dim"),
        ("llama", "num_hidden_layers", "two", "num_hidden_layers"),
        ("llama", "rope_scaling", {"rope_type": "su", "factor": 2.0}, "rope_type 'su'"),
        ("llama", "rope_scaling", {"rope_type": "longrope", "factor": 2.0}, "long_factor"),
        ("llama", "rope_scaling", LONGROPE | {"long_factor": [1.0]}, "long_factor must be a list of 8 numbers"),
        ("llama", "rope_scaling", LONGROPE | {"long_factor": [0.0] * 8}, "long_factor must be a list of 8 numbers"),
        ("llama", "rope_scaling", {"rope_type": "linear", "factor": 0}, "factor"),
        ("llama", "rope_scaling", {"rope_type": "llama3", "factor": 8.0}, "low_freq_factor"),
        ("llama", "partial_rotary_factor", 0.5, "partial_rotary_factor"),
        ("mistral", "layer_types", ["full_attention", "sliding_attention"], "layer_types"),
        ("qwen3", "layer_types", ["full_attention"], "layer_types"),
        ("qwen3", "layer_types", ["full_attention", "linear_attention"], "layer_types linear_attention"),
        ("gemma2", "hidden_activation", "gelu", "hidden_activation 'gelu'"),
        ("gemma3_text", "use_bidirectional_attention", True, "use_bidirectional_attention"),
        ("gemma3_text", "attn_logit_softcapping", 50.0, "attn_logit_softcapping"),
        ("gemma4_text", "hidden_size_per_layer_input", 8, "hidden_size_per_layer_input"),
        ("gemma4_text", "num_kv_shared_layers", 1, "num_kv_shared_layers"),
        ("gemma4_text", "enable_moe_block", True, "enable_moe_block"),
        ("gemma4_text", "use_bidirectional_attention", "all", "use_bidirectional_attention"),
    ],
)
def test_what_is_not_honoured_is_refused_by_name(
    tmp_path: Path, family: str, field: str, value: Any, named: str
) -> None:
    assert named in refusal(tmp_path, **{"model_type": family, **SMALL, field: value})


@pytest.mark.parametrize("text", [None, "", "[1]", '{"model_type": '])
def test_a_folder_without_a_readable_configuration_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match="config.json"):
        open_checkpoint(tmp_path).config  # noqa: B018


def test_a_folder_of_gguf_files_says_which_there_are(tmp_path: Path) -> None:
    for name in ("b.gguf", "a.gguf"):
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match=r"name one of its GGUF files: a\.gguf, b\.gguf"):
        open_checkpoint(tmp_path).config  # noqa: B018
