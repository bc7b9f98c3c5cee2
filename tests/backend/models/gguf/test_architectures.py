"""Key-values of published files are read as llama.cpp reads them; what is not honoured is refused by name."""

import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.models.config import DecoderConfig
from backend.models.errors import CheckpointError
from backend.models.families import read_config
from backend.models.gguf.architectures import ARCHITECTURES, read_fields, read_pooling
from backend.models.gguf.checkpoint import GGUFCheckpoint
from backend.models.gguf.keys import CHANGE_NUMBERS, Keys
from backend.models.gguf.tensors import GGUFTensor
from backend.models.rope import RopeConfig, inverse_frequencies
from backend.pooling import PoolingConfig
from benchmarks.gguf_weights import ARCHITECTURES as WRITTEN
from tests.backend.models.gguf.files import write

SMALL = {
    "block_count": 12,
    "context_length": 512,
    "embedding_length": 64,
    "feed_forward_length": 96,
    "attention.head_count": 4,
    "attention.head_count_kv": 2,
    "attention.layer_norm_rms_epsilon": 1e-5,
}


def metadata(architecture: str, **keys: Any) -> dict[str, Any]:
    given = SMALL | {key.replace("__", "."): value for key, value in keys.items()}
    own = {f"{architecture}.{key}": value for key, value in given.items() if value is not None}
    return {"general.architecture": architecture, **own}


def tensors(*names: str, **factors: list[float]) -> dict[str, Any]:
    """What the configuration is told by: names, and factors of the rope."""
    several = {name: SimpleNamespace(shape=(50, 64)) for name in ("token_embd.weight", *map(str, range(99)), *names)}
    return several | {f"{name}.weight": floats(f"{name}.weight", values) for name, values in factors.items()}


def floats(name: str, values: list[float]) -> GGUFTensor:
    data = np.asarray(values, np.float32).view(np.uint8)
    return GGUFTensor(name, gguf.GGMLQuantizationType.F32, (len(values),), data)


def read(architecture: str, *names: str, factors: dict[str, list[float]] | None = None, **keys: Any) -> DecoderConfig:
    return read_config(read_fields(metadata(architecture, **keys), tensors(*names, **(factors or {}))))


def refusal(architecture: str, factors: dict[str, list[float]] | None = None, **keys: Any) -> str:
    with pytest.raises(CheckpointError) as error:
        read(architecture, factors=factors, **keys)
    return str(error.value)


def windows(config: DecoderConfig) -> list[int | None]:
    return [layer.mixer.spec.window for layer in config.layers]


def test_smollm2() -> None:
    config = read(
        "llama",
        block_count=30,
        context_length=8192,
        embedding_length=576,
        feed_forward_length=1536,
        attention__head_count=9,
        attention__head_count_kv=3,
        rope__freq_base=100_000.0,
        rope__dimension_count=64,
        vocab_size=49152,
    )
    mixer = config.layers[0].mixer
    assert (len(config.layers), config.embed, config.context, config.vocab) == (30, 576, 8192, 50)
    assert (mixer.heads, mixer.kv_heads, mixer.head_dim, mixer.spec.scale) == (9, 3, 64, 0.125)
    assert mixer.rope == RopeConfig(theta=100_000.0) and config.tied_head and not mixer.qkv_bias
    assert config.layers[0].feed_forward.size == 1536 and set(windows(config)) == {None}


def test_what_tensors_are_there_decides_on_biases_and_the_head() -> None:
    config = read("llama", "output.weight", "blk.0.attn_q.bias")
    assert not config.tied_head and config.layers[0].mixer.qkv_bias and config.layers[0].mixer.out_bias
    assert read("qwen2").layers[0].mixer.qkv_bias and read("qwen3").layers[0].mixer.qk_norm


def test_heads_may_be_wider_than_their_share_of_the_embedding() -> None:
    config = read("qwen3", attention__key_length=32, attention__value_length=32, attention__head_count_kv=None)
    assert (config.layers[0].mixer.head_dim, config.layers[0].mixer.kv_heads) == (32, 4)


def test_a_number_for_each_layer_is_read_where_all_are_the_same() -> None:
    assert read("llama", feed_forward_length=np.full(12, 80)).layers[0].feed_forward.size == 80
    assert "llama.feed_forward_length must be a whole number" in refusal("llama", feed_forward_length=np.arange(12))


@pytest.mark.parametrize(("architecture", "layers"), [("gemma2", 46), ("gemma3", 62)])
def test_the_largest_gemma_scales_queries_by_the_embedding(architecture: str, layers: int) -> None:
    usual, largest = (read(architecture, block_count=n, attention__key_length=32) for n in (26, layers))
    assert usual.layers[0].mixer.spec.scale == 32**-0.5 and largest.layers[0].mixer.spec.scale == 16**-0.5
    assert usual.embedding_scale == 8.0 and usual.sandwich_norms


def test_gemma_2_has_its_windows_and_caps_where_the_file_is_silent() -> None:
    config = read("gemma2")
    assert windows(config) == [4096, None] * 6
    assert (config.layers[0].mixer.spec.softcap, config.logit_softcap) == (50.0, 30.0)
    told = read("gemma2", attn_logit_softcapping=0.0, final_logit_softcapping=7.0, attention__sliding_window=8)
    assert (told.layers[0].mixer.spec.softcap, told.logit_softcap) == (None, 7.0) and windows(told)[0] == 8


def test_gemma_3_has_a_rope_for_layers_with_a_window_that_is_not_stretched() -> None:
    keys = {"rope__scaling__type": "linear", "rope__scaling__factor": 8.0, "rope__freq_base": 1e6}
    config = read("gemma3", attention__sliding_window=16, **keys)
    assert windows(config) == [16, 16, 16, 16, 16, None] * 2
    assert config.layers[0].mixer.rope == RopeConfig(theta=10_000.0)
    assert config.layers[5].mixer.rope == RopeConfig(theta=1e6, kind="linear", factor=8.0)
    assert set(windows(read("gemma3"))) == {None}


def test_which_layers_have_a_window_may_be_told_by_a_period_or_one_by_one() -> None:
    assert windows(read("gemma3", attention__sliding_window=9, attention__sliding_window_pattern=3))[:3] == [9, 9, None]
    each = np.arange(12) == 4
    told = windows(read("gemma2", attention__sliding_window=9, attention__sliding_window_pattern=each))
    assert told == [9 if window else None for window in each]
    wrong = {"attention__sliding_window": 9, "attention__sliding_window_pattern": np.ones(3, bool)}
    assert "sliding_window_pattern must have one value for each of 12 layers" in refusal("gemma3", **wrong)


def test_mistral_is_a_llama_with_a_window() -> None:
    assert set(windows(read("llama", attention__sliding_window=100))) == {100}
    assert set(windows(read("phi3", attention__sliding_window=0))) == {None}


def test_factors_of_each_pair_stretch_its_wavelength() -> None:
    factors = [1.0, 1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    rope = read("llama", factors={"rope_freqs": factors}).layers[0].mixer.rope
    plain = inverse_frequencies(RopeConfig(), 16)
    np.testing.assert_allclose(inverse_frequencies(rope, 16), plain / np.asarray(factors), rtol=1e-6)
    assert rope.attention_factor == 1.0
    both = {"rope_factors_short": [1.0] * 8, "rope_factors_long": factors}
    scaled = {"rope__scaling__type": "longrope", "rope__scaling__attn_factor": 1.5}
    for original, expected in ((512, [1.0] * 8), (128, factors)):
        keys = scaled | {"rope__scaling__original_context_length": original}
        rope = read("phi3", factors=both, **keys).layers[0].mixer.rope
        assert rope.factors == tuple(expected) and rope.attention_factor == 1.5


@pytest.mark.parametrize("value", [[1.0] * 7, [1.0] * 7 + [0.0], [1.0] * 7 + [np.nan], [1.0] * 7 + [-1.0]])
def test_factors_that_cannot_be_are_refused(value: list[float]) -> None:
    assert "rope_freqs.weight must be 8 numbers above 0 in F32" in refusal("llama", factors={"rope_freqs": value})


def test_yarn() -> None:
    keys = {"rope__scaling__type": "yarn", "rope__scaling__factor": 4.0}
    told = keys | {"rope__scaling__original_context_length": 128}
    rope = read("qwen2", **told).layers[0].mixer.rope
    assert (rope.kind, rope.factor, rope.original_context) == ("yarn", 4.0, 128)
    assert rope.attention_factor == pytest.approx(1.1386, abs=1e-4)
    assert "rope.scaling.original_context_length must be" in refusal("qwen2", **keys)
    assert "yarn_ext_factor other than 1" in refusal("qwen2", **told, rope__scaling__yarn_ext_factor=0.5)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"block_count": None},
            "llama.block_count must be a whole number from 1 to 100, the same in every layer; it is absent",
        ),
        ({"block_count": 101}, "llama.block_count must be a whole number from 1 to 100"),
        ({"embedding_length": 1 << 30}, "llama.embedding_length must be a whole number from 1 to 1,048,576"),
        ({"embedding_length": 64.0}, "llama.embedding_length must be a whole number"),
        ({"feed_forward_length": "96"}, "llama.feed_forward_length must be a whole number"),
        ({"attention.head_count": True}, "llama.attention.head_count must be a whole number"),
        ({"attention.head_count": 0}, "llama.attention.head_count must be a whole number"),
        ({"attention.head_count_kv": 3}, "llama.attention.head_count_kv must divide attention.head_count, 4; it is 3"),
        ({"attention.head_count": 6}, "The hidden size (64) is not a multiple of the number of attention heads (6)"),
        ({"attention.key_length": 7}, "llama.attention.key_length must be even; it is 7"),
        ({"attention.value_length": 8}, "llama.attention.value_length other than attention.key_length, 16, is not"),
        ({"rope.dimension_count": 8}, "llama.rope.dimension_count other than attention.key_length, 16, is not"),
        ({"attention.layer_norm_rms_epsilon": None}, "llama.attention.layer_norm_rms_epsilon must be a number above 0"),
        ({"attention.layer_norm_rms_epsilon": float("nan")}, "must be a number above 0; it is nan"),
        ({"rope.freq_base": float("inf")}, "llama.rope.freq_base must be a number above 0; it is inf"),
        (
            {"rope.scaling.type": "dynamic"},
            "llama.rope.scaling.type must be one of none, linear, yarn, longrope; it is dynamic",
        ),
        ({"rope.scaling.type": "longrope"}, "needs the tensors rope_factors_short.weight and rope_factors_long.weight"),
        ({"rope.scaling.attn_factor": 2.0}, "llama.rope.scaling.attn_factor has no meaning"),
        ({"expert_count": 8}, "llama.expert_count not supported"),
        ({"attention.scale": 0.1, "logit_scale": 2.0}, "llama.attention.scale, llama.logit_scale not supported"),
        ({"attn_logit_softcapping": 50.0}, "llama.attn_logit_softcapping not supported"),
        ({"attention.causal": False}, "llama.attention.causal not supported"),
    ],
)
def test_what_is_absent_or_not_honoured_is_refused_by_name(keys: dict[str, Any], said: str) -> None:
    assert said in refusal("llama", **keys)


@pytest.mark.parametrize(("number", "mode"), [(1, "mean"), (2, "cls"), (3, "lasttoken")])
def test_a_pooling_type_makes_embeddings_of_length_1(number: int, mode: str) -> None:
    keys = Keys(metadata("qwen3", pooling_type=number))
    assert read_pooling(keys) == PoolingConfig(mode, SMALL["embedding_length"], normalize=True)
    assert read("qwen3", pooling_type=number).layers


def test_without_a_pooling_type_tokens_are_drawn_and_ranks_are_not_served() -> None:
    assert read_pooling(Keys(metadata("qwen3"))) is read_pooling(Keys(metadata("qwen3", pooling_type=0))) is None
    assert "qwen3.pooling_type must be a whole number from 1 to 3" in refusal("qwen3", pooling_type=4)


def test_absent_or_without_effect_is_no_reason_to_refuse() -> None:
    assert read("llama", expert_count=0, attention__causal=True, logit_scale=0.0, tensor_data_layout="x")


@pytest.mark.parametrize("architecture", ["gpt2", "llama4", "", "qwen3moe"])
def test_another_architecture_is_refused_and_the_supported_ones_are_named(architecture: str) -> None:
    said = refusal(architecture)
    assert f"general.architecture {architecture!r} is not supported; supported are gemma2, gemma3, llama, phi3" in said


ANYTHING = st.one_of(
    st.integers(-1, 1 << 40),
    st.floats(),
    st.booleans(),
    st.text(max_size=3),
    st.sampled_from(["model", "none", "yarn", "longrope", *ARCHITECTURES]),
    st.lists(st.text(max_size=3), max_size=3),
    st.lists(st.integers(0, 9), max_size=3).map(np.asarray),
    st.sampled_from([np.full(12, 64), np.ones(12, bool), np.zeros(12), np.arange(12), np.full(12, np.nan)]),
)
OTHER_KEYS = (
    *("attention.key_length", "attention.value_length", "attention.sliding_window_pattern", "attention.causal"),
    *("rope.dimension_count", "rope.freq_base", "rope.freq_base_swa", "rope.scale_linear", "rope.scaling.type"),
    *("rope.scaling.factor", "rope.scaling.original_context_length", "rope.scaling.attn_factor"),
    *("rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_beta_fast"),
)


@settings(max_examples=400)
@given(data=st.data(), architecture=st.sampled_from(sorted(ARCHITECTURES)), factors=st.booleans())
def test_any_value_under_any_key_is_read_or_refused(data: st.DataObject, architecture: str, factors: bool) -> None:
    keys = st.sampled_from([*SMALL, *OTHER_KEYS, *CHANGE_NUMBERS])
    given = data.draw(st.dictionaries(keys.map(lambda key: f"{architecture}.{key}"), ANYTHING, max_size=4))
    whole = data.draw(st.dictionaries(st.sampled_from(["general.architecture", "general.type"]), ANYTHING, max_size=1))
    own = {"rope_freqs": [1.0] * 8} if factors else {}
    try:
        read_config(read_fields(metadata(architecture) | given | whole, tensors(**own)))
    except CheckpointError as error:
        assert str(error)


@pytest.mark.parametrize("kind", ["adapter", "mmproj"])
def test_what_is_only_a_part_of_a_model_is_refused(kind: str) -> None:
    with pytest.raises(CheckpointError, match=f"general.type '{kind}' is no whole model"):
        read_fields(metadata("llama") | {"general.type": kind}, tensors())


def test_every_architecture_is_tried_against_transformers() -> None:
    assert {gguf.MODEL_ARCH_NAMES[architecture] for architecture in WRITTEN.values()} == set(ARCHITECTURES)


def test_the_file_is_named_where_its_key_values_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "model.gguf")
    content = file.read_bytes()
    length = struct.pack("<Q", len("llama")) + b"llama"
    assert content.count(length) == 1
    file.write_bytes(content.replace(length, length.replace(b"llama", b"lemma")))
    with pytest.raises(CheckpointError, match=r"model\.gguf: general\.architecture 'lemma' is not supported"):
        GGUFCheckpoint(file).config  # noqa: B018
    with pytest.raises(CheckpointError, match=r"general\.architecture must be a text, it is None"):
        read_fields({}, {})
    with pytest.raises(CheckpointError, match=r"it has no tensor token_embd\.weight"):
        read_fields(metadata("llama"), {})
