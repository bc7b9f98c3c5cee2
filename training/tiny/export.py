"""Writes trained parameters as a Hugging Face checkpoint of the Qwen3 family, in bfloat16."""

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from flax import nnx
from numpy.typing import NDArray
from safetensors.numpy import save_file
from transformers import PreTrainedTokenizerFast

from backend.models.config import DecoderConfig
from backend.models.table import sources
from training.tiny.model import CONFIG
from training.tiny.tokenizer import END, PAD, identity


def export(params: nnx.State, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Writes config.json, generation_config.json, model.safetensors and the tokenizer's files into `out`."""
    ends = [identity(tokenizer, token) for token in (END, PAD)]
    save_file(tensors(params), out / "model.safetensors", metadata={"format": "pt"})
    # safetensors creates its files readable by their owner alone.
    (out / "model.safetensors").chmod(0o644)
    _write(out / "config.json", config_json(CONFIG, ends))
    _write(out / "generation_config.json", {"eos_token_id": ends, "pad_token_id": ends[1]})
    tokenizer.save_pretrained(out)


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n")


def config_json(config: DecoderConfig, ends: list[int]) -> dict[str, Any]:
    """The configuration under Hugging Face's names."""
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": config.vocab,
        "hidden_size": config.embed,
        "intermediate_size": config.ffw,
        "num_hidden_layers": len(config.layers),
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": config.activation,
        "rms_norm_eps": config.norm_epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.layers[0].rope.theta},
        "max_position_embeddings": config.context,
        "tie_word_embeddings": config.tied_head,
        "attention_bias": config.qkv_bias,
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "eos_token_id": ends[0],
        "pad_token_id": ends[1],
        "dtype": "bfloat16",
    }


def tensors(params: nnx.State) -> dict[str, NDArray[Any]]:
    """bfloat16 tensors under Hugging Face's names: the loader's table, read backwards."""
    stored = dict(nnx.to_flat_state(params))
    named = {}
    for path, source in sources(CONFIG).items():
        ends = np.cumsum([size for _, size in source.parts])[:-1]
        pieces = np.split(np.asarray(stored[path].get_value()), ends)
        for (name, _), piece in zip(source.parts, pieces, strict=True):
            named[name] = piece.astype(ml_dtypes.bfloat16)
    return named
