"""A checkpoint and its GGUF files are the same model: against transformers (torch, fp32), and number by number."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx
from transformers import AutoModelForCausalLM

from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder
from backend.models.weights import load
from tests.parity import gguf_files
from tests.parity.checkpoints import Drawn, save
from tests.parity.programs import whole_logits

BANDS = {"original_max_position_embeddings": 16, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
ROPES: dict[str, dict[str, Any]] = {
    "default": {},
    "linear": {"factor": 4.0},
    "llama3": {"factor": 8.0, **BANDS},
    "yarn": {"factor": 4.0, "original_max_position_embeddings": 32},
    "yarn told in full": {
        "factor": 4.0,
        "original_max_position_embeddings": 32,
        "attention_factor": 1.3,
        "beta_fast": 4.0,
        "beta_slow": 0.5,
    },
    "longrope": {
        "factor": 8.0,
        "original_max_position_embeddings": 16,
        "attention_factor": 1.1,
        "long_factor": [1.0, 1.5, 2.0, 4.0, 4.5, 5.0, 7.0, 8.0],
        "short_factor": [1.0] * 8,
    },
}
WINDOWED = ["sliding_attention", "full_attention", "sliding_attention"]
CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("llama", "default", {"attention_bias": True}),
    ("llama", "llama3", {"tie_word_embeddings": True}),
    ("llama", "yarn told in full", {"num_key_value_heads": 4}),
    ("mistral", "linear", {"sliding_window": 5}),
    ("qwen2", "yarn", {}),
    ("qwen3", "default", {"head_dim": 8, "tie_word_embeddings": True}),
    ("gemma2", "default", {"layer_types": WINDOWED, "attn_logit_softcapping": 2.0, "final_logit_softcapping": 10.0}),
    ("gemma2", "linear", {"layer_types": WINDOWED[::-1], "attn_logit_softcapping": None}),
    ("gemma3_text", "linear", {"layer_types": WINDOWED[::-1], "attention_bias": True}),
    ("gemma3_text", "default", {"layer_types": WINDOWED, "final_logit_softcapping": 10.0}),
    ("phi3", "default", {"sliding_window": 5}),
    ("phi3", "longrope", {"sliding_window": None}),
]
TOKENS = np.random.default_rng(0).integers(64, size=(2, 24))


def make(folder: Path, family: str, rope: str = "default", **fields: Any) -> None:
    """A small random checkpoint whose matrices can be quantised by blocks of 32."""
    own: dict[str, Any] = {
        "vocab_size": 64,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 128,
        "tie_word_embeddings": family.startswith("gemma"),
        "rope_parameters": {"rope_type": rope.split()[0], "rope_theta": 100.0, **ROPES[rope]},
        "eos_token_id": None,
        "bos_token_id": None,
        "pad_token_id": 0,
    }
    if family.startswith("gemma"):
        own |= {"query_pre_attn_scalar": 16, "final_logit_softcapping": None, "sliding_window": 5}
    if family == "gemma3_text":
        local = {"rope_type": "default", "rope_theta": 50.0}
        own["rope_parameters"] = {"full_attention": own["rope_parameters"], "sliding_attention": local}
    if family in ("qwen2", "phi3"):
        del own["head_dim"]
    save(Drawn(family, own | fields, "fp32", "30KB", seed=1), folder)


def logits_of(path: Path) -> np.ndarray:
    return whole_logits(load(open_checkpoint(path), jnp.float32), TOKENS)


def transformers_logits(folder: Path) -> np.ndarray:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return model(torch.from_numpy(TOKENS), use_cache=False).logits.numpy()


def values(decoder: Decoder) -> dict[Any, np.ndarray]:
    return {path: np.asarray(value.get_value()) for path, value in nnx.to_flat_state(nnx.state(decoder))}


@pytest.mark.parametrize(("family", "rope", "fields"), CASES)
def test_a_file_computes_what_its_checkpoint_does(tmp_path: Path, family: str, rope: str, fields: Any) -> None:
    make(tmp_path, family, rope, **fields)
    file = gguf_files.write(tmp_path, tmp_path / "model.gguf")
    expected, found = transformers_logits(tmp_path), logits_of(file)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(("family", "rope", "fields"), [case for case in CASES if case[0] != "phi3"])
def test_every_number_is_the_checkpoints(tmp_path: Path, family: str, rope: str, fields: Any) -> None:
    make(tmp_path, family, rope, **fields)
    first = gguf_files.write(tmp_path, tmp_path / "model.gguf", split=5)
    ours, theirs = (values(load(open_checkpoint(path), jnp.float32)) for path in (first, tmp_path))
    assert len(list(tmp_path.glob("model-*-of-*.gguf"))) > 3 and ours.keys() == theirs.keys()
    for path, value in ours.items():
        np.testing.assert_array_equal(value, theirs[path])


ERRORS = {"F16": 1e-3, "BF16": 6e-3, "Q8_0": 0.03, "Q5_1": 0.15, "Q5_0": 0.15, "Q4_1": 0.25, "Q4_0": 0.3}
"""How far logits may be from those of the unquantised model, relative to the largest."""


@pytest.mark.parametrize("quantization", ERRORS)
def test_quantised_weights_change_logits_by_what_rounding_takes(tmp_path: Path, quantization: str) -> None:
    make(tmp_path, "gemma3_text")
    exact = logits_of(tmp_path)
    found = logits_of(gguf_files.write(tmp_path, tmp_path / "model.gguf", quantization))
    assert 0 < np.abs(found - exact).max() <= ERRORS[quantization] * np.abs(exact).max()


@pytest.mark.parametrize("quantization", ["F16", "Q8_0", "Q4_1", "MXFP4"])
@pytest.mark.parametrize("family", ["llama", "gemma2", "qwen3"])
def test_a_dequantised_file_is_a_folder_that_transformers_computes_alike(
    tmp_path: Path, family: str, quantization: str
) -> None:
    make(tmp_path, family)
    file = gguf_files.write(tmp_path, tmp_path / "model.gguf", quantization)
    gguf_files.dump(file, tmp_path / "dequantised")
    expected, found = transformers_logits(tmp_path / "dequantised"), logits_of(file)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
