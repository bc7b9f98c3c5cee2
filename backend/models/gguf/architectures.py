"""Key-values of a GGUF file -> the fields of transformers' configuration that say the same.

What a key stands for, and what holds where it is absent, is what llama.cpp reads (src/models/*.cpp) and its converter
writes (conversion/*.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backend.models.errors import CheckpointError
from backend.models.gguf.keys import LARGEST_CONTEXT, Keys
from backend.models.gguf.names import Layout
from backend.models.gguf.ropes import FACTORS, rope_parameters
from backend.models.gguf.tensors import GGUFTensor
from backend.pooling import PoolingConfig, PoolingMode

Fields = dict[str, Any]
Tensors = Mapping[str, GGUFTensor]
POOLING_TYPES: dict[int, PoolingMode] = {1: "mean", 2: "cls", 3: "lasttoken"}
"""llama.cpp's numbers (include/llama.h); 0 is none, and 4 ranks, with a head that is not served."""
EMBEDDING, HEAD = "token_embd.weight", "output.weight"
WINDOW = "attention.sliding_window"


@dataclass(frozen=True)
class Architecture:
    """How files of one "general.architecture" are read.

    fields: what it has beside the fields of all. sandwich, neighbours: see `Layout`.
    """

    fields: Callable[[Keys, Fields, Tensors], Fields]
    sandwich: bool = False
    neighbours: bool = False


def architecture(keys: Keys) -> Architecture:
    """The architecture of the file. Raises `CheckpointError` listing the supported ones."""
    if keys.architecture not in ARCHITECTURES:
        supported = ", ".join(sorted(ARCHITECTURES))
        raise CheckpointError(f"general.architecture {keys.architecture!r} is not supported; supported are {supported}")
    return ARCHITECTURES[keys.architecture]


def read_fields(metadata: dict[str, Any], tensors: Tensors) -> Fields:
    """What config.json of the same model would have. Raises `CheckpointError` naming the key or tensor at fault."""
    keys = Keys(metadata)
    family = architecture(keys)
    if EMBEDDING not in tensors:
        raise CheckpointError(f"it has no tensor {EMBEDDING}")
    embed, heads = keys.size("embedding_length"), keys.size("attention.head_count")
    fields: Fields = {
        "vocab_size": tensors[EMBEDDING].shape[0],
        "hidden_size": embed,
        "intermediate_size": keys.size("feed_forward_length"),
        "num_hidden_layers": keys.size("block_count", largest=len(tensors)),
        "num_attention_heads": heads,
        "num_key_value_heads": _kv_heads(keys, heads),
        "head_dim": _head_dim(keys, embed // heads),
        "max_position_embeddings": keys.size("context_length", largest=LARGEST_CONTEXT),
        "rms_norm_eps": keys.number("attention.layer_norm_rms_epsilon"),
        "tie_word_embeddings": HEAD not in tensors,
        "attention_bias": _has_bias(tensors),
        "eos_token_id": None,
        "bos_token_id": None,
        "pad_token_id": None,
    }
    read_pooling(keys)
    fields["rope_parameters"] = rope_parameters(keys, tensors, fields)
    fields |= family.fields(keys, fields, tensors)
    keys.refuse_others()
    return fields


def read_pooling(keys: Keys) -> PoolingConfig | None:
    """What the file makes of a text, with length 1 as llama.cpp gives it; None where it draws tokens."""
    if not keys.has("pooling_type"):
        return None
    number = keys.size("pooling_type", largest=max(POOLING_TYPES))
    return PoolingConfig(POOLING_TYPES[number], keys.size("embedding_length"), normalize=True)


def layout(metadata: dict[str, Any], fields: Fields) -> Layout:
    """How the file of `fields` stores its layers."""
    family = architecture(Keys(metadata))
    return Layout(
        heads=fields["num_attention_heads"],
        kv_heads=fields["num_key_value_heads"],
        head_dim=fields["head_dim"],
        hidden=fields["intermediate_size"],
        sandwich=family.sandwich,
        neighbours=family.neighbours,
    )


def weights(tensors: Tensors) -> dict[str, GGUFTensor]:
    """The tensors that are weights; the others are read with the key-values."""
    return {name: tensor for name, tensor in tensors.items() if name not in FACTORS}


def _kv_heads(keys: Keys, heads: int) -> int:
    kv_heads = keys.size("attention.head_count_kv", heads)
    if heads % kv_heads:
        raise keys.fault("attention.head_count_kv", f"must divide attention.head_count, {heads}", kv_heads)
    return kv_heads


def _head_dim(keys: Keys, default: int) -> int:
    head_dim = keys.size("attention.key_length", default or None)
    if head_dim % 2:
        raise keys.fault("attention.key_length", "must be even", head_dim)
    for key in ("attention.value_length", "rope.dimension_count"):
        if (value := keys.size(key, head_dim)) != head_dim:
            raise keys.fault(key, f"other than attention.key_length, {head_dim}, is not supported", value)
    return head_dim


def _has_bias(tensors: Tensors) -> bool:
    return any(f"blk.0.{part}.bias" in tensors for part in ("attn_q", "attn_qkv"))


def _silu(model_type: str, **fields: Any) -> Fields:
    return {"model_type": model_type, "hidden_act": "silu", **fields}


def _llama(keys: Keys, fields: Fields, tensors: Tensors) -> Fields:
    """Llama, and Mistral, which is stored as such; only Mistral has a window."""
    return _silu("mistral", sliding_window=keys.size(WINDOW)) if keys.has(WINDOW) else _silu("llama")


def _phi3(keys: Keys, fields: Fields, tensors: Tensors) -> Fields:
    """As Mistral computes it; its fused kernels are taken apart by names.py."""
    return _silu("mistral", sliding_window=keys.size(WINDOW) if keys.has(WINDOW) else None)


def _qwen2(keys: Keys, fields: Fields, tensors: Tensors) -> Fields:
    return _silu("qwen2", **_everywhere(fields))


def _qwen3(keys: Keys, fields: Fields, tensors: Tensors) -> Fields:
    return _silu("qwen3", **_everywhere(fields))


def _gemma2(keys: Keys, fields: Fields, tensors: Tensors) -> Fields:
    return _gemma(keys, fields, layers_of_27b=46) | {
        "model_type": "gemma2",
        "sliding_window": keys.size(WINDOW, 4096),
        "layer_types": _layer_types(keys, fields, period=2),
        "attn_logit_softcapping": keys.optional("attn_logit_softcapping", 50.0),
        "final_logit_softcapping": keys.optional("final_logit_softcapping", 30.0),
    }


def _gemma3(keys: Keys, fields: Fields, tensors: Tensors) -> Fields:
    """Layers with a window have a rope of their own, which is never stretched."""
    window = keys.has(WINDOW)
    local = {"rope_type": "default", "rope_theta": keys.number("rope.freq_base_swa", 10_000.0)}
    windows = {"sliding_window": keys.size(WINDOW)} if window else {}
    types = {"layer_types": _layer_types(keys, fields, period=6)} if window else _everywhere(fields)
    return (
        _gemma(keys, fields, layers_of_27b=62)
        | windows
        | types
        | {
            "model_type": "gemma3_text",
            "final_logit_softcapping": keys.optional("final_logit_softcapping"),
            "rope_parameters": {"full_attention": fields["rope_parameters"], "sliding_attention": local},
        }
    )


def _gemma(keys: Keys, fields: Fields, layers_of_27b: int) -> Fields:
    """Files do not say by what queries are scaled: the models of 27 billion are told by their layers."""
    largest = fields["num_hidden_layers"] == layers_of_27b
    scalar = fields["hidden_size"] // fields["num_attention_heads"] if largest else fields["head_dim"]
    return {"hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": scalar}


def _everywhere(fields: Fields) -> Fields:
    return {"layer_types": ["full_attention"] * fields["num_hidden_layers"]}


def _layer_types(keys: Keys, fields: Fields, period: int) -> list[str]:
    """Which layers have the window: a truth value each, or all but the last of every so many."""
    key, layers = "attention.sliding_window_pattern", fields["num_hidden_layers"]
    windowed = keys.truths(key, layers)
    if windowed is None:
        period = keys.size(key, period)
        windowed = [layer % period < period - 1 for layer in range(layers)]
    return ["sliding_attention" if window else "full_attention" for window in windowed]


ARCHITECTURES: dict[str, Architecture] = {
    "llama": Architecture(_llama, neighbours=True),
    "qwen2": Architecture(_qwen2),
    "qwen3": Architecture(_qwen3),
    "gemma2": Architecture(_gemma2, sandwich=True),
    "gemma3": Architecture(_gemma3, sandwich=True),
    "phi3": Architecture(_phi3),
}
