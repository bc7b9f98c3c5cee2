"""The key-values of a GGUF file that describe one architecture, each checked where it is read."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from backend.models.errors import CheckpointError

LARGEST_SIZE = 1 << 20
"""Of any axis but the vocabulary; products of two with a third stay below 2⁶³."""
LARGEST_CONTEXT = (1 << 31) - 1
CHANGE_NUMBERS = (
    *("attention.alibi_bias_max", "attention.clamp_kqv", "attention.max_alibi_bias", "attention.scale"),
    *("attention.key_length_swa", "attention.value_length_swa", "attention.shared_kv_layers"),
    *("attention.sliding_window", "attention.temperature_length", "attention.temperature_scale"),
    *("attn_logit_softcapping", "final_logit_softcapping", "decoder_block_count"),
    *("embedding_length_per_layer_input", "embedding_scale", "logit_scale", "residual_scale"),
    *("expert_count", "pooling_type", "use_parallel_residual"),
    *("rope.dimension_count_swa", "rope.dimension_sections", "rope.scaling.alpha", "rope.scaling.yarn_log_multiplier"),
)
"""Refused where an architecture does not read them, unless absent, 0 or false."""


class Keys:
    """metadata: of the file. architecture: what the keys of its models begin with.

    Every method raises `CheckpointError` that names the key.
    """

    def __init__(self, metadata: dict[str, Any]) -> None:
        self._metadata, self._read = metadata, set[str]()
        self.architecture = _text(metadata, "general.architecture")
        if (kind := _text(metadata, "general.type", "model")) != "model":
            raise CheckpointError(f"general.type {kind!r} is no whole model; give the model's own file")

    def has(self, key: str) -> bool:
        """Whether "ARCHITECTURE.key" is there and says something: 0, false and nothing at all do not."""
        return _says_something(self._given(key))

    def size(self, key: str, default: int | None = None, largest: int = LARGEST_SIZE) -> int:
        """A whole number from 1 to `largest`; of a list with one for each layer, the one that all have."""
        value = self._given(key)
        if isinstance(value, np.ndarray) and value.size and (value == value[0]).all():
            value = value[0].item()
        value = default if value is None else value
        if type(value) is not int or not 1 <= value <= largest:
            raise self.fault(key, f"must be a whole number from 1 to {largest:,}, the same in every layer", value)
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number above 0."""
        given = self._given(key)
        value = default if given is None else given
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
            raise self.fault(key, "must be a number above 0", value)
        return value

    def optional(self, key: str, default: float | None = None) -> float | None:
        """A finite number above 0; None where it is 0, the default where it is absent."""
        if self._given(key) is None:
            return default
        return self.number(key) if self.has(key) else None

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """One of `choices`."""
        value = self._given(key)
        value = default if value is None else value
        if not isinstance(value, str) or value not in choices:
            raise self.fault(key, f"must be one of {', '.join(choices)}", value)
        return value

    def truths(self, key: str, count: int) -> list[bool] | None:
        """A list of `count` truth values, None where there is no list."""
        value = self._given(key)
        if not isinstance(value, np.ndarray):
            return None
        if len(value) != count:
            raise self.fault(key, f"must have one value for each of {count} layers", value)
        return [bool(truth) for truth in value]

    def refuse_others(self) -> None:
        """Every key that would change the numbers and was not read."""
        found = [key for key in CHANGE_NUMBERS if key not in self._read and self.has(key)]
        if self._given("attention.causal") is False:
            found.append("attention.causal")
        if found:
            raise CheckpointError(f"{', '.join(f'{self.architecture}.{key}' for key in found)} not supported")

    def fault(self, key: str, rule: str, value: Any) -> CheckpointError:
        """`value` of "ARCHITECTURE.key" breaks `rule`."""
        said = "absent" if value is None else str(value)[:80]
        return CheckpointError(f"{self.architecture}.{key} {rule}; it is {said}")

    def _given(self, key: str) -> Any:
        value = self._metadata.get(f"{self.architecture}.{key}")
        self._read.add(key)
        return value


def _text(metadata: dict[str, Any], key: str, default: str | None = None) -> str:
    value = metadata.get(key, default)
    if not isinstance(value, str):
        raise CheckpointError(f"{key} must be a text, it is {str(value)[:80]}")
    return value


def _says_something(value: Any) -> bool:
    return bool(value.any()) if isinstance(value, np.ndarray) else bool(value)
