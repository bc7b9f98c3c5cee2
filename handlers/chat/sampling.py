"""From the request's parameters to those of the engine."""

import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from backend import SamplingParams
from generated.models import ContainerChatCompletionBody

# These have the same names and meanings on both sides; the engine's defaults are the document's.
SHARED = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "xtc_threshold",
    "xtc_probability",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "min_tokens",
)
LOWEST_SEED, SEEDS = -(2**63), 2**63 + 2**64
RANDOM_SEEDS = 2**53  # so that every JSON reader keeps the seed that is returned


def sampling_params(
    body: ContainerChatCompletionBody,
    *,
    max_tokens: int,
    end_tokens: tuple[int, ...],
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> SamplingParams:
    """The engine's sampling parameters for a body.

    end_tokens: the model's own, which `eos_token` replaces. defaults: of parameters that the body does not name, where
    they are not the document's.
    """
    given = {name: value for name in SHARED if (value := getattr(body, name)) is not None}
    return SamplingParams(
        max_tokens=max_tokens,
        end_tokens=end_tokens if body.eos_token is None else tuple(dict.fromkeys(body.eos_token)),
        logit_bias={int(token): float(bias) for token, bias in (body.logit_bias or {}).items()},
        **{**defaults, **given},
    )


def choice_seeds(body: ContainerChatCompletionBody) -> tuple[int, ...]:
    """One seed per choice: those given, consecutive ones from the one given, or random ones below 2**53."""
    n = body.n or 1
    match body.seed:
        case list(seeds):
            return tuple(seeds)
        case None:
            return tuple(secrets.randbelow(RANDOM_SEEDS) for _ in range(n))
        case first:
            return tuple(LOWEST_SEED + (first + i - LOWEST_SEED) % SEEDS for i in range(n))
