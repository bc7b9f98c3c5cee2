"""A small llama as a GGUF file, made without transformers' model classes."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gguf_weights import add_config, add_tensors, finish, new_writer

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    "tie_word_embeddings": False,
}


def random_tensors(config: dict[str, Any]) -> dict[str, np.ndarray]:
    """Weights by transformers' names, float32, the same each time."""
    embed, hidden, vocab = (config[key] for key in ("hidden_size", "intermediate_size", "vocab_size"))
    queries, keys = (config[f"num_{kind}_heads"] * config["head_dim"] for kind in ("attention", "key_value"))
    layer = {
        "input_layernorm": (embed,),
        "post_attention_layernorm": (embed,),
        "self_attn.q_proj": (queries, embed),
        "self_attn.k_proj": (keys, embed),
        "self_attn.v_proj": (keys, embed),
        "self_attn.o_proj": (embed, queries),
        "mlp.gate_proj": (hidden, embed),
        "mlp.up_proj": (hidden, embed),
        "mlp.down_proj": (embed, hidden),
    }
    shapes = {"model.embed_tokens": (vocab, embed), "model.norm": (embed,), "lm_head": (vocab, embed)}
    for index in range(config["num_hidden_layers"]):
        shapes |= {f"model.layers.{index}.{name}": shape for name, shape in layer.items()}
    random = np.random.default_rng(0)
    return {f"{name}.weight": random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write(file: Path, quantization: str = "F32", split: int = 0, **config: Any) -> Path:
    """The llama of `CONFIG` with other values of `config`. split: tensors of one part, 0 for a single file."""
    whole = CONFIG | config
    writer = new_writer(file, whole, split)
    add_config(writer, whole)
    add_tensors(writer, whole, random_tensors(whole), quantization)
    finish(writer)
    return file
