"""The rotary settings of a GGUF file -> `rope_parameters` of transformers' configuration."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from backend.models.errors import CheckpointError
from backend.models.gguf.keys import LARGEST_CONTEXT, Keys
from backend.models.gguf.tensors import GGUFTensor
from backend.models.rope import yarn_attention_factor

ANY_LENGTH, SHORT, LONG = "rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"
FACTORS = (ANY_LENGTH, SHORT, LONG)
"""Tensors of what each pair's wavelength is multiplied by: Llama 3 at any length, LongRoPE within the original context
and beyond it."""
KINDS = ("none", "linear", "yarn", "longrope")
Rope = dict[str, Any]


def rope_parameters(keys: Keys, tensors: Mapping[str, GGUFTensor], fields: dict[str, Any]) -> Rope:
    """Of the layers without a window, or of all. fields: `head_dim` and `max_position_embeddings` are read."""
    rope: Rope = {"rope_theta": keys.number("rope.freq_base", 10_000.0)}
    kind = keys.choice("rope.scaling.type", KINDS, "linear")
    factor = keys.optional("rope.scaling.factor") or keys.optional("rope.scale_linear") or 1.0
    attention = keys.number("rope.scaling.attn_factor", 1.0)
    found = [name for name in FACTORS if name in tensors]
    if found:
        if kind == "yarn" or factor != 1.0:
            raise CheckpointError(f"{found[0]} beside rope.scaling.factor is not supported")
        return rope | _by_pair(keys, tensors, fields, attention)
    if kind == "longrope":
        raise CheckpointError(f"rope.scaling.type 'longrope' needs the tensors {SHORT} and {LONG}")
    if kind == "yarn":
        return rope | _yarn(keys, factor, attention)
    if attention != 1.0:
        raise keys.fault("rope.scaling.attn_factor", f"has no meaning with rope.scaling.type {kind!r}", attention)
    stretched = kind == "linear" and factor != 1.0
    return rope | ({"rope_type": "linear", "factor": factor} if stretched else {"rope_type": "default"})


def _yarn(keys: Keys, factor: float, attention: float) -> Rope:
    given = keys.optional("rope.scaling.yarn_attn_factor")
    if (mix := keys.number("rope.scaling.yarn_ext_factor", 1.0)) != 1.0:
        raise keys.fault("rope.scaling.yarn_ext_factor", "other than 1 is not supported", mix)
    return {
        "rope_type": "yarn",
        "factor": factor,
        "original_max_position_embeddings": keys.size("rope.scaling.original_context_length", largest=LARGEST_CONTEXT),
        "attention_factor": attention * (given or yarn_attention_factor(factor)),
        "beta_fast": keys.number("rope.scaling.yarn_beta_fast", 32.0),
        "beta_slow": keys.number("rope.scaling.yarn_beta_slow", 1.0),
    }


def _by_pair(keys: Keys, tensors: Mapping[str, GGUFTensor], fields: dict[str, Any], attention: float) -> Rope:
    pairs, context = fields["head_dim"] // 2, fields["max_position_embeddings"]
    short, long = (ANY_LENGTH, ANY_LENGTH) if ANY_LENGTH in tensors else (SHORT, LONG)
    original = context
    if short != long:
        original = keys.size("rope.scaling.original_context_length", largest=LARGEST_CONTEXT)
    return {
        "rope_type": "longrope",
        "factor": max(1.0, context / original),
        "original_max_position_embeddings": original,
        "attention_factor": attention,
        "short_factor": _factors(tensors, short, pairs),
        "long_factor": _factors(tensors, long, pairs),
    }


def _factors(tensors: Mapping[str, GGUFTensor], name: str, pairs: int) -> list[float]:
    if name not in tensors:
        raise CheckpointError(f"it has no tensor {name}")
    tensor = tensors[name]
    values = tensor[:] if tensor.shape == (pairs,) and tensor.get_dtype() == "F32" else None
    if values is None or not np.all(np.isfinite(values) & (values > 0)):
        raise CheckpointError(
            f"{name} must be {pairs} numbers above 0 in F32, it is {tensor.get_dtype()} {tensor.shape}"
        )
    return values.tolist()
