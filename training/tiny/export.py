"""Writes trained parameters as a Hugging Face checkpoint of the Qwen3 family, in bfloat16."""

from pathlib import Path
from typing import Any

from flax import nnx
from transformers import PreTrainedTokenizerFast

from backend.models.config import DecoderConfig
from training.tiny.model import CONFIG, new_decoder
from training.tokenizer import END, PAD, identity
from training.writing import save_weights, tensors, write_json


def export(params: nnx.State, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Writes config.json, generation_config.json, model.safetensors and the tokenizer's files into `out`."""
    ends = [identity(tokenizer, token) for token in (END, PAD)]
    save_weights(tensors(params, nnx.eval_shape(lambda: new_decoder(0)).parameters()), out)
    write_json(out / "config.json", config_json(CONFIG, ends))
    write_json(out / "generation_config.json", {"eos_token_id": ends, "pad_token_id": ends[1]})
    tokenizer.save_pretrained(out)


def config_json(config: DecoderConfig, ends: list[int]) -> dict[str, Any]:
    """The configuration under Hugging Face's names."""
    attention, mlp = config.layers[0].mixer, config.layers[0].feed_forward
    return {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "vocab_size": config.vocab,
        "hidden_size": config.embed,
        "intermediate_size": mlp.size,
        "num_hidden_layers": len(config.layers),
        "num_attention_heads": attention.heads,
        "num_key_value_heads": attention.kv_heads,
        "head_dim": attention.head_dim,
        "hidden_act": mlp.activation,
        "rms_norm_eps": config.norm_epsilon,
        "rope_parameters": {"rope_type": "default", "rope_theta": attention.rope.theta},
        "max_position_embeddings": config.context,
        "tie_word_embeddings": config.tied_head,
        "attention_bias": attention.qkv_bias,
        "attention_dropout": 0.0,
        "bos_token_id": None,
        "eos_token_id": ends[0],
        "pad_token_id": ends[1],
        "dtype": "bfloat16",
    }
