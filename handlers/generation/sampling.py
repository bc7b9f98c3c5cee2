"""Parameters of sampling that several endpoints have: what is wrong with them, and the same as the engine's."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from backend import SamplingParams
from handlers.http.errors import invalid
from handlers.loaded import Engine

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
MOST_STOPS = 256
LOWEST_SEED, SEEDS = -(2**63), 2**63 + 2**64
RANDOM_SEEDS = 2**53  # so that every JSON reader keeps the seed that is returned


def check_sampling(body: Any, engine: Engine, told: Callable[[str], str] = str) -> None:
    """Raises APIError 422 for what this engine cannot do of stop phrases, choices, seeds and token ids.

    body: a model with the parameters of the document's body of a chat. told: what the API calls them.
    """
    _check_stops(body, told("stop"))
    _check_choices(body, engine)
    _check_vocabulary(body, engine, told)


def sampling_params(
    body: Any,
    *,
    max_tokens: int,
    end_tokens: tuple[int, ...],
    defaults: Mapping[str, Any] = MappingProxyType({}),
    **others: Any,
) -> SamplingParams:
    """The engine's sampling parameters for a body, a model with those of the document's body of a chat.

    end_tokens: the model's own, which `eos_token` replaces. defaults: of parameters that the body does not name, where
    they are not the document's. others: parameters that only some endpoints have, or that follow from others.
    """
    given = {name: value for name in SHARED if (value := getattr(body, name)) is not None}
    return SamplingParams(
        max_tokens=max_tokens,
        end_tokens=end_tokens if body.eos_token is None else tuple(dict.fromkeys(body.eos_token)),
        logit_bias={int(token): float(bias) for token, bias in (body.logit_bias or {}).items()},
        **{**defaults, **given, **others},
    )


def choice_seeds(body: Any) -> tuple[int, ...]:
    """One seed per choice: those given, consecutive ones from the one given, or random ones below 2**53."""
    n = body.n or 1
    match body.seed:
        case list(seeds):
            return tuple(seeds)
        case None:
            return tuple(secrets.randbelow(RANDOM_SEEDS) for _ in range(n))
        case first:
            return tuple(LOWEST_SEED + (first + i - LOWEST_SEED) % SEEDS for i in range(n))


def _check_stops(body: Any, param: str) -> None:
    count = len(body.stop or ())
    if count > MOST_STOPS:
        raise invalid(f"{param} has {count} members, but may have {MOST_STOPS}", param)


def _check_choices(body: Any, engine: Engine) -> None:
    n = body.n or 1
    if n > engine.max_choices:
        raise invalid(f"n is {n}, but this server answers at most {engine.max_choices} choices per request", "n")
    if isinstance(body.seed, list) and len(body.seed) != n:
        raise invalid(f"seed has {len(body.seed)} members, but n is {n}; give one seed per choice", "seed")


def _check_vocabulary(body: Any, engine: Engine, told: Callable[[str], str]) -> None:
    size = engine.vocab_size
    if body.top_k is not None and body.top_k > size:
        param = told("top_k")
        raise invalid(f"{param} is {body.top_k}, but the vocabulary has {size} tokens", param)
    check_token_ids(body.eos_token or [], told("eos_token"), engine)
    for key in body.logit_bias or {}:
        if int(key) >= size:
            raise invalid(f"logit_bias names token {key}, but the vocabulary has {size} tokens", f"logit_bias.{key}")


def check_token_ids(tokens: Sequence[int], param: str, engine: Engine) -> None:
    """Raises APIError 422 for a token id that the model does not have. param: what the API calls the list."""
    for i, token in enumerate(tokens):
        if token >= engine.vocab_size:
            path = f"{param}.{i}"
            raise invalid(f"{path} is {token}, but the vocabulary has {engine.vocab_size} tokens", path)
