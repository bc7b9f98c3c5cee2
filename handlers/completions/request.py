"""A request for completions as its handler works with it: what was sent, and the same in one form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

import generated.strict.models
from backend import MAX_BANNED_TOKENS
from generated.models import ContainerCompletionsBody, ResponseFormatJsonSchema
from handlers.chat.request import model_of, unknown_fields
from handlers.chat.size import members
from handlers.generation.sampling import MOST_STOPS
from handlers.http.errors import invalid
from handlers.http.validation import JSONBody
from handlers.loaded import LoadedModel

UNUSED = ("encoder_no_repeat_ngram", "encoder_repetition_penalty")
"""What only a model with an encoder could use."""


@dataclass(frozen=True)
class GivenPrompt:
    """One prompt of a request, as text or as token ids. param: where it stands in the body."""

    given: str | Sequence[int]
    param: str


@dataclass(frozen=True)
class CompletionRequest:
    """A request for completions whose body is valid by the document that is served.

    json_body: as it came. given: the same as the document's model. body: the same in the words of the strict document,
    and what only the other has. prompts: in order. inert: paths of fields that say nothing there.
    """

    json_body: JSONBody
    given: BaseModel
    body: ContainerCompletionsBody
    prompts: tuple[GivenPrompt, ...]
    inert: tuple[str, ...] = ()

    @property
    def choices(self) -> int:
        """How many choices all prompts together have."""
        return len(self.prompts) * (self.body.n or 1)

    def without_effect(self) -> Iterator[str]:
        """Paths of the fields that the document does not know, and of those that say nothing with this model."""
        yield from unknown_fields(self.json_body.value, self.given)
        yield from self.inert
        yield from (name for name in UNUSED if getattr(self.body, name) is not None)
        match self.body.response_format:
            case ResponseFormatJsonSchema(json_schema=schema) if schema.description:
                yield "response_format.json_schema.description"


def check_counts(value: dict[str, Any], loaded: LoadedModel) -> None:
    """Raises APIError 422 where a valid body has more prompts or tokens than could ever be used."""
    engine = loaded.engine
    most = max(engine.context_length, engine.max_choices)
    limits = {
        "prompt": most,
        "tokens": most,
        "logit_bias": engine.vocab_size,
        "eos_token": engine.vocab_size,
        "forced_output_tokens": engine.context_length,
        "stop_tokens": MOST_STOPS,
        "bad_words": MAX_BANNED_TOKENS,
        "bad_word_tokens": MAX_BANNED_TOKENS,
    }
    for name, limit in limits.items():
        count = members(value.get(name))
        if count > limit:
            raise invalid(f"{name} has {count} members, but may have {limit}; leave some out", name)


def read_request(json_body: JSONBody, strict: bool) -> CompletionRequest:
    """The request of a body that is valid by the document that is served; in it null and absence are one.

    strict: that document is the strict one, so that what only the other knows is a field like any unknown one.

    Raises APIError 422 for integers that only the schema takes for such, and where there is no prompt, or two.
    """
    if strict:
        known = model_of(generated.strict.models.ContainerCompletionsBody, json_body.value)
        body = model_of(ContainerCompletionsBody, known.model_dump(by_alias=True, exclude_unset=True))
        return CompletionRequest(json_body, known, body, tuple(_prompts(body)))
    given = model_of(ContainerCompletionsBody, json_body.value)
    inert: list[str] = []
    updates: dict[str, Any] = {}
    if given.max_tokens == -1:
        updates["max_tokens"] = None
    if isinstance(given.stop, str):
        updates["stop"] = [given.stop]
    if given.top_k == -1:
        updates["top_k"] = None
        inert.append("top_k")
    if given.stream_options is not None and not given.stream:
        updates["stream_options"] = None
        inert.append("stream_options")
    return CompletionRequest(
        json_body, given, given.model_copy(update=updates), tuple(_prompts(given)), inert=tuple(inert)
    )


def _prompts(body: ContainerCompletionsBody) -> Iterator[GivenPrompt]:
    if body.prompt is not None and body.tokens is not None:
        raise invalid("tokens cannot be used together with prompt; leave one of them out", "tokens")
    if body.tokens is not None:
        yield GivenPrompt(body.tokens, "tokens")
    elif body.prompt is None:
        raise invalid("there is no prompt; give prompt or tokens", "prompt")
    elif isinstance(body.prompt, str) or all(isinstance(item, int) for item in body.prompt):
        yield GivenPrompt(body.prompt, "prompt")  # type: ignore[arg-type]
    else:
        for i, given in enumerate(body.prompt):
            yield GivenPrompt(given, f"prompt.{i}")  # type: ignore[arg-type]
