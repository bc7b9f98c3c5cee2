"""adapter_config.json of PEFT: what it says of an adapter, and what of it is not served."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import regex

CONFIG = "adapter_config.json"
ALL_LINEAR = "all-linear"
MATCH_SECONDS = 1.0
UNSERVED: Mapping[str, str] = {
    "use_dora": "DoRA",
    "use_qalora": "QA-LoRA",
    "use_bdlora": "block-diagonal LoRA",
    "alora_invocation_tokens": "activated LoRA",
    "arrow_config": "Arrow routing",
    "kasa_config": "KaSA",
    "monteclora_config": "MonteCLoRA",
    "velora_config": "VeLoRA",
    "layer_replication": "replicated layers",
    "modules_to_save": "whole modules beside the adapter",
    "trainable_token_indices": "trained tokens",
    "target_parameters": "parameters of experts",
}
"""Keys that, unless they are absent, null, false or empty, mean something that is not served, and what that is."""
CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Ways to begin, by `init_lora_weights`, that change the base's own weights too."""
BIASES = ("none", "all", "lora_only")


@dataclass(frozen=True)
class AdapterConfig:
    """How the tensors of an adapter are to be read.

    rank, alpha: of every module that no pattern names. rank_patterns, alpha_patterns: regular expression that a
    module's name ends with -> its own. by_root: scaled by alpha / sqrt(rank) in place of alpha / rank
    (Kalajdzievski, 2023, rsLoRA). targets, excluded: names that modules' names end with, or one regular expression for
    a whole name; targets None where the tensors alone say it. layers: to which the targets are confined, None for no
    confinement.
    """

    rank: int
    alpha: float
    rank_patterns: Mapping[str, int]
    alpha_patterns: Mapping[str, float]
    by_root: bool
    targets: str | tuple[str, ...] | None
    excluded: str | tuple[str, ...]
    layers: frozenset[int] | None

    def rank_of(self, module: str) -> int:
        """The rank of a module by its name in the base."""
        return _by_pattern(self.rank_patterns, module, self.rank)

    def scale_of(self, module: str) -> float:
        """What the product of a module's two matrices is multiplied by."""
        rank = self.rank_of(module)
        return _by_pattern(self.alpha_patterns, module, self.alpha) / (math.sqrt(rank) if self.by_root else rank)

    def is_target(self, names: Collection[str], layer: int) -> bool:
        """Whether the module of a layer is to be changed, by any of the names that it has in one model or another."""
        if self.targets is None or any(_matches(self.excluded, name) for name in names):
            return False
        if self.targets == ALL_LINEAR:
            return True
        chosen = any(_matches(self.targets, name) for name in names)
        confined = self.layers is not None and not isinstance(self.targets, str)
        return chosen and (not confined or layer in (self.layers or ()))


def read_adapter_config(raw: Mapping[str, Any]) -> tuple[AdapterConfig, list[str]]:
    """A parsed adapter_config.json as far as it can be read, and what is wrong with it, a line for each fault."""
    faults = [*_unserved(raw), *_misspelt(raw)]
    config = AdapterConfig(
        rank=_number(raw, "r", 8, faults, whole=True),
        alpha=_number(raw, "lora_alpha", 8, faults),
        rank_patterns=_patterns(raw, "rank_pattern", faults, whole=True),
        alpha_patterns=_patterns(raw, "alpha_pattern", faults),
        by_root=bool(raw.get("use_rslora")),
        targets=_names(raw, "target_modules", faults),
        excluded=_names(raw, "exclude_modules", faults) or (),
        layers=_layers(raw, faults),
    )
    return config, faults


def _unserved(raw: Mapping[str, Any]) -> Iterable[str]:
    if raw.get("peft_type") != "LORA":
        yield f"peft_type {raw.get('peft_type')!r} is not served; only LORA is"
    for key, what in UNSERVED.items():
        if raw.get(key):
            yield f"{key}: {what} is not served; train without, or merge the adapter into its base"
    start = raw.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(CHANGES_BASE):
        yield (
            f"init_lora_weights {start!r} changed the base as well; save the adapter with "
            "path_initial_model_for_weight_conversion, which makes a plain one of it"
        )


def _misspelt(raw: Mapping[str, Any]) -> Iterable[str]:
    if raw.get("bias", "none") not in BIASES:
        yield f"bias must be one of {', '.join(BIASES)}, not {raw['bias']!r}"


def _number(raw: Mapping[str, Any], key: str, default: int, faults: list[str], whole: bool = False) -> Any:
    value = raw.get(key, default)
    if _is_number(value, whole):
        return value
    faults.append(f"{key} must be a {'whole number from 1' if whole else 'finite number'}, not {value!r}")
    return default


def _is_number(value: Any, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return (isinstance(value, int) and value >= 1) if whole else math.isfinite(value)


def _patterns(raw: Mapping[str, Any], key: str, faults: list[str], whole: bool = False) -> dict[str, Any]:
    patterns = raw.get(key) or {}
    if not isinstance(patterns, dict) or not all(_is_number(value, whole) for value in patterns.values()):
        faults.append(f"{key} must be an object of {'whole numbers from 1' if whole else 'finite numbers'}")
        return {}
    return {pattern: value for pattern, value in patterns.items() if _is_regex(pattern, key, faults)}


def _names(raw: Mapping[str, Any], key: str, faults: list[str]) -> str | tuple[str, ...] | None:
    value = raw.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        return value if value == ALL_LINEAR or _is_regex(value, key, faults) else None
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return tuple(value)
    faults.append(f"{key} must be a list of names or one regular expression, not {type(value).__name__}")
    return None


def _layers(raw: Mapping[str, Any], faults: list[str]) -> frozenset[int] | None:
    value = raw.get("layers_to_transform")
    if value is None or value == []:
        return None
    layers = [value] if isinstance(value, int) else value
    if isinstance(layers, list) and all(type(layer) is int for layer in layers):
        return frozenset(layers)
    faults.append(f"layers_to_transform must be a layer's number or a list of them, not {value!r}")
    return None


def _is_regex(pattern: str, key: str, faults: list[str]) -> bool:
    try:
        regex.compile(pattern)
    except regex.error as error:
        faults.append(f"{key}: {pattern!r} is no regular expression: {error}")
        return False
    return True


def _by_pattern(patterns: Mapping[str, Any], module: str, default: Any) -> Any:
    """The value of the first pattern that the name ends with, at a dot, as PEFT looks them up."""
    found = (value for pattern, value in patterns.items() if _fullmatch(rf"(.*\.)?({pattern})", module))
    return next(found, default)


def _matches(names: str | tuple[str, ...], module: str) -> bool:
    """Whether a module's name is meant by a list of names or by a regular expression, as PEFT compares them."""
    if isinstance(names, str):
        return _fullmatch(names, module)
    return any(module == name or module.endswith(f".{name}") for name in names)


def _fullmatch(pattern: str, text: str) -> bool:
    try:
        return regex.fullmatch(pattern, text, timeout=MATCH_SECONDS) is not None
    except TimeoutError as error:
        raise ValueError(f"the regular expression {pattern!r} takes too long to match") from error
