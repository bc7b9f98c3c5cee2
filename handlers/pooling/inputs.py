"""The inputs of a request, as texts or as token ids, and what may not be said of them: APIError 422 naming one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.generation.lengths import check_text, too_long
from handlers.generation.sampling import check_token_ids
from handlers.http.errors import invalid
from handlers.loaded import PoolingModel

MOST_INPUTS = 2048
"""Of one request, as OpenAI has it."""


@dataclass(frozen=True)
class Input:
    """One text, or its token ids. param: where it stands in the body."""

    given: str | Sequence[int]
    param: str


def inputs_of(value: Any, param: str) -> list[Input]:
    """The inputs of a field of a body: a text, or token ids, or a list of such. Raises APIError 422 for too many."""
    if isinstance(value, str) or isinstance(value[0], int):
        return [Input(value, param)]
    if len(value) > MOST_INPUTS:
        raise invalid(
            f"{param} has {len(value)} members, but may have {MOST_INPUTS}; send them in several requests", param
        )
    return [Input(given, f"{param}.{i}") for i, given in enumerate(value)]


def check_inputs(inputs: Iterable[Input], model: PoolingModel) -> None:
    """Raises APIError 422 for token ids that the model does not have, or has no room for."""
    for each in inputs:
        if not isinstance(each.given, str):
            if not each.given:
                raise invalid(f"{each.param} has no tokens; give at least one", each.param)
            _check_length(len(each.given), each.param, model)
            check_token_ids(each.given, each.param, model.engine)


def encode(inputs: Iterable[Input], prompt: str, model: PoolingModel) -> list[tuple[int, ...]]:
    """The token ids of each input. prompt: what goes before texts. Raises APIError 422 as `check_inputs` does."""
    return [_encoded(each, prompt, model) for each in inputs]


def _encoded(each: Input, prompt: str, model: PoolingModel) -> tuple[int, ...]:
    if not isinstance(each.given, str):
        return tuple(each.given)
    text = prompt + each.given
    check_text(text, each.param, model)
    tokens = tuple(model.tokenizer.encode_text(text))
    if not tokens:
        raise invalid(f"{each.param} has no tokens; give a text that is not empty", each.param)
    _check_length(len(tokens), each.param, model)
    return tokens


def _check_length(tokens: int, param: str, model: PoolingModel) -> None:
    most = model.engine.context_length
    if tokens > most:
        raise too_long(
            f"{param} has {tokens} tokens, more than the model's maximum context length of {most} tokens; shorten it, "
            "or send it in parts",
            param,
        )
