"""A request for an answer to a chat as handlers work with it: what was sent, and the same in one form."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

import generated.strict.models
from generated.models import ContainerChatCompletionBody
from handlers.chat.openai import function_words, functions_as_tools, sound_words, translate
from handlers.chat.turns import loose_ends
from handlers.chat.words import VENDORED, Words
from handlers.generation.output import TextForm
from handlers.http.errors import invalid
from handlers.http.validation import JSONBody

M = TypeVar("M", bound=BaseModel)


def as_sent(value: Any) -> Any:
    """A body that has the words of the vendored document already."""
    return value


@dataclass(frozen=True)
class ChatRequest:
    """A request for an answer to a chat, in whatever API it was sent; its body is valid by the document that is served.

    json_body: as it came. given: the same as that API's model. body: the same in the words of the vendored document's
    chat. words: what the API calls the fields of `body`. exact: of the JSON that was sent, with every digit of its
    numbers, `tools` and `response_format` as `body` has them. inert: paths, in the API's words, of fields that say
    nothing there, or that do not follow from what stands before them.
    texts: what texts must be, by function and argument, in place of what the schemas say of them.
    functions: tools were given as `functions`, and calls are given back as `function_call`. allowed: names of the tools
    that may be called, None for all of them.
    """

    json_body: JSONBody
    given: BaseModel
    body: ContainerChatCompletionBody
    inert: tuple[str, ...] = ()
    words: Words = VENDORED
    exact: Callable[[Any], Any] = as_sent
    texts: Mapping[str, Mapping[str, TextForm]] = field(default_factory=dict)
    functions: bool = False
    allowed: tuple[str, ...] | None = None

    def may_be_called(self, name: str) -> bool:
        """Whether the tool of this name is one that the model may call."""
        return self.allowed is None or name in self.allowed

    def told(self, path: str) -> str:
        """The path of a field of `body`, in the words of the API that was spoken."""
        return self.words.told(path)

    def without_effect(self) -> Iterator[str]:
        """Paths of the fields that the document does not know, and of those that say nothing by themselves.

        What is in one of the latter is not named beside it.
        """
        whole = frozenset(self.inert)
        for path in unknown_fields(self.json_body.value, self.given):
            names = path.split(".")
            if whole.isdisjoint(".".join(names[:count]) for count in range(1, len(names))):
                yield path
        yield from self.inert


def read_request(json_body: JSONBody, strict: bool) -> ChatRequest:
    """The request of a body that is valid by the document that is served; in it null and absence are one.

    strict: that document is the strict one, so that what only the other knows is a field like any unknown one.

    Raises APIError 422 for integers that only the schema takes for such, and for tools in two forms.
    """
    if strict:
        known = model_of(generated.strict.models.ContainerChatCompletionBody, json_body.value)
        body = model_of(ContainerChatCompletionBody, known.model_dump(by_alias=True, exclude_unset=True))
        return ChatRequest(json_body, known, body, tuple(loose_ends(body.messages)))
    given = model_of(ContainerChatCompletionBody, json_body.value)
    translated = translate(given)
    inert = (*translated.inert, *loose_ends(given.messages))
    words = sound_words(given)
    if not translated.functions:
        return ChatRequest(json_body, given, translated.body, inert, words, allowed=translated.allowed)
    words = words.and_also(function_words(len(given.functions or ())))
    return ChatRequest(json_body, given, translated.body, inert, words, functions_as_tools, functions=True)


def unknown_fields(value: Any, model: Any, path: str = "") -> Iterator[str]:
    """Paths of the fields of `value` that `model`, made from it, has no place for. Free-form objects have no such."""
    if isinstance(model, list):
        for i, (item, part) in enumerate(zip(value, model, strict=True)):
            yield from unknown_fields(item, part, f"{path}{i}.")
    if not isinstance(model, BaseModel):
        return
    fields = {field.alias or name: name for name, field in type(model).model_fields.items()}
    for key, item in value.items():
        if key not in fields:
            yield f"{path}{key}"
        else:
            yield from unknown_fields(item, getattr(model, fields[key]), f"{path}{key}.")


def model_of(kind: type[M], value: dict[str, Any]) -> M:
    """A body that is valid by its schema, as a model. Raises APIError 422 for integers that only the schema takes."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        # The schema takes any integral number, such as 1e300, as an integer; the model only what is one in practice.
        first = error.errors(include_url=False, include_input=False)[0]
        param = str(first["loc"][0])
        path = next(_huge_numbers(value.get(param), param), None)
        if path is None:
            raise invalid(f"{param}: {first['msg']}", param) from error
        raise invalid(f"{path} is too large a number for an integer", path) from error


def _huge_numbers(value: Any, path: str) -> Iterator[str]:
    """Paths of integral numbers of more than 64 bits."""
    if isinstance(value, float) and value.is_integer() and abs(value) >= 2**63:
        yield path
    elif isinstance(value, list | dict):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _huge_numbers(item, f"{path}.{key}")
