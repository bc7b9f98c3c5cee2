"""The rotary settings of a transformers configuration -> `RopeConfig`."""

import math
from typing import Any

from backend.models.errors import CheckpointError
from backend.models.rope import ROPE_KINDS, RopeConfig, yarn_attention_factor


def read_rope(config: Any, layer_type: str) -> RopeConfig:
    """The rotary embedding of layers of `layer_type`. Raises `CheckpointError` naming the key that is not honoured."""
    given = _parameters(config, layer_type)
    kind = given.get("rope_type", "default")
    if kind not in ROPE_KINDS:
        raise CheckpointError(
            f"rope_parameters.rope_type {kind!r} is not supported; supported are {', '.join(ROPE_KINDS)}"
        )
    if kind != "proportional" and given.get("partial_rotary_factor", 1.0) != 1.0:
        raise CheckpointError("partial_rotary_factor other than 1 is supported with rope_type 'proportional' only")
    return RopeConfig(theta=float(_number(given, "rope_theta")), kind=kind, **_SETTINGS[kind](given, config))


def stretched_context(config: Any) -> int:
    """Positions the model can take. Linear, dynamic and yarn scaling keep the unstretched length in the configuration:
    transformers' documentation asks users not to raise max_position_embeddings; a raised one is never lowered."""
    rope, given = read_rope(config, "full_attention"), config.max_position_embeddings
    if rope.kind in ("linear", "dynamic"):
        return int(given * rope.factor)
    return max(given, int(rope.original_context * rope.factor)) if rope.kind == "yarn" else given


def _parameters(config: Any, layer_type: str) -> dict[str, Any]:
    """One dictionary for all layers, or one for each layer type (Gemma 3)."""
    given = config.rope_parameters or {}
    nested = given.get(layer_type)
    return nested if isinstance(nested, dict) else given


def _number(given: dict[str, Any], key: str) -> float:
    value = given.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
        raise CheckpointError(f"rope_parameters.{key} must be a number above 0, not {value!r}")
    return value


def _default(given: dict[str, Any], config: Any) -> dict[str, Any]:
    return {}


def _linear(given: dict[str, Any], config: Any) -> dict[str, Any]:
    return {"factor": _number(given, "factor")}


def _dynamic(given: dict[str, Any], config: Any) -> dict[str, Any]:
    return {"factor": _number(given, "factor"), "original_context": config.max_position_embeddings}


def _llama3(given: dict[str, Any], config: Any) -> dict[str, Any]:
    bands = {key: _number(given, key) for key in ("factor", "low_freq_factor", "high_freq_factor")}
    return bands | {"original_context": _number(given, "original_max_position_embeddings")}


def _yarn(given: dict[str, Any], config: Any) -> dict[str, Any]:
    original = _number(given, "original_max_position_embeddings")
    factor = config.max_position_embeddings / original if given.get("factor") is None else _number(given, "factor")
    attention = given.get("attention_factor")
    if attention is None:
        attention = yarn_attention_factor(factor, given.get("mscale"), given.get("mscale_all_dim"))
    return {
        "factor": factor,
        "original_context": original,
        "beta_fast": given.get("beta_fast") or 32.0,
        "beta_slow": given.get("beta_slow") or 1.0,
        "truncate": given.get("truncate", True),
        "attention_factor": attention,
    }


def _longrope(given: dict[str, Any], config: Any) -> dict[str, Any]:
    """The factors of the context that the model is served with, for every position: transformers takes the short ones
    as long as a sequence is within the original context, which would change all keys of a row as it grows out of it."""
    original = _number(given, "original_max_position_embeddings")
    stretched = config.max_position_embeddings / original
    factor = stretched if given.get("factor") is None else _number(given, "factor")
    attention = given.get("attention_factor")
    if attention is None:
        attention = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 < original else 1.0
    factors = _factors(given, "long_factor" if stretched > 1 else "short_factor", config)
    return {"original_context": original, "attention_factor": attention, "factors": factors}


def _proportional(given: dict[str, Any], config: Any) -> dict[str, Any]:
    given = {"factor": 1.0, "partial_rotary_factor": 1.0} | given
    turning = float(_number(given, "partial_rotary_factor"))
    if turning > 1:
        raise CheckpointError(f"rope_parameters.partial_rotary_factor must be at most 1, not {turning}")
    return {"factor": _number(given, "factor"), "turning": turning}


def _factors(given: dict[str, Any], key: str, config: Any) -> tuple[float, ...]:
    value = given.get(key)
    pairs = (getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads) // 2
    factors = value if isinstance(value, list) else []
    if len(factors) != pairs or not all(isinstance(factor, int | float) and factor > 0 for factor in factors):
        raise CheckpointError(f"rope_parameters.{key} must be a list of {pairs} numbers above 0, not {value!r}")
    return tuple(map(float, factors))


_SETTINGS = {
    "default": _default,
    "linear": _linear,
    "dynamic": _dynamic,
    "llama3": _llama3,
    "yarn": _yarn,
    "longrope": _longrope,
    "proportional": _proportional,
}
