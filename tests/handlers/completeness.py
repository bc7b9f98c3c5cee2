"""How it is found out that no field of a request is silently dropped, in whatever API it is sent."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, get_args
from urllib.parse import unquote

import httpx
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from backend.request import Request
from handlers.text.tokenizer import ChatTokenizer

TINY = Path(__file__).parents[2] / "backend/tiny/checkpoint"
REPLY = "<think>\nHm.\n</think>\n\nHello there."
NEW = ("id", "created")
"""What is new in each answer."""


class Case(NamedTuple):
    """What a field does. given: parameters with it. other: what to compare with, or the path to be named."""

    outcome: str
    given: dict[str, Any]
    other: Any


def acts(given: dict[str, Any], without: dict[str, Any] | None = None) -> Case:
    """Something differs from the same request `without` it."""
    return Case("acts", given, without or {})


def refused(path: str, given: dict[str, Any]) -> Case:
    """The field is named in an error."""
    return Case("refused", given, path)


def ignored(path: str, given: dict[str, Any]) -> Case:
    """The field is named as without effect."""
    return Case("ignored", given, path)


def documented(given: dict[str, Any], without: dict[str, Any]) -> Case:
    """Nothing differs, and the document says so."""
    return Case("documented", given, without)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type is made of."""
    if isinstance(annotation, TypeAliasType):
        yield from models_in(annotation.__value__)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for part in get_args(annotation):
            yield from models_in(part)


def fields_of(model: type[BaseModel], seen: dict[str, str]) -> dict[str, str]:
    """ "Model.field" to the field's description, of a model and all that it is made of."""
    for name, field in model.model_fields.items():
        key = f"{model.__name__}.{field.alias or name}"
        if key not in seen:
            seen[key] = field.description or ""
            for inner in models_in(field.annotation):
                fields_of(inner, seen)
    return seen


@contextmanager
def bundled(fakes: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """The bundled model's own tokenizer and template; the engine gives a reply with reasoning in it."""
    tokenizer = ChatTokenizer(TINY)
    reply = [*tokenizer.marker_tokens(REPLY), *tokenizer.end_tokens[:1]]

    class Generation(fakes.Generation):
        def _reply(self, choice):
            return reply

    class Engine(fakes.Engine):
        context_length, vocab_size, generation = 4096, tokenizer.vocab_size, Generation

    with fakes.connected(Engine(), tokenizer, format=tokenizer.format) as app:
        yield app


class Effect(NamedTuple):
    """All that a request brings about. said: its answers without what is new in each. named: as without effect."""

    response: httpx.Response
    request: Request | None
    said: list[dict[str, Any]]
    named: list[str]


def send(app: SimpleNamespace, path: str, body: dict[str, Any]) -> Effect:
    """What a request brings about."""
    response = app.client.post(path, json=body)
    parts = (line.partition("data: ")[2] or line for line in response.text.split("\n\n"))
    said = [_without_new(json.loads(part)) for part in parts if part.startswith("{")]
    request = app.engine.generations[-1].request if app.engine.generations else None
    header = response.headers.get("x-ignored-parameters", "")
    return Effect(response, request, said, [unquote(name) for name in header.split(",") if name])


def _without_new(said: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in said.items() if name not in NEW}
    return {**kept, "message": _without_new(said["message"])} if isinstance(said.get("message"), dict) else kept


def same(a: Effect, b: Effect) -> bool:
    """Whether two requests bring about the same. Grammars are the same where their constraints are."""
    plain = [
        (r.prompt, r.sampling, r.seeds, r.top_logprobs, r.reasoning_limit, _key(r)) for r in (a.request, b.request)
    ]
    return plain[0] == plain[1] and a.said == b.said


def _key(request: Request) -> Any:
    return None if request.grammar is None else request.grammar.key


def check(ask: Callable[[dict[str, Any]], Effect], field: str, case: Case, fields: Mapping[str, str]) -> None:
    """Fails unless a field does what its case says. fields: their descriptions."""
    found = ask(case.given)
    if case.outcome == "refused":
        assert found.response.status_code in (404, 422), found.response.text
        assert found.response.json()["error"]["param"] == case.other
        return
    assert found.response.status_code == 200, found.response.text
    if case.outcome == "ignored":
        assert case.other in found.named
        return
    without = ask(case.other)
    assert without.response.status_code == 200, without.response.text
    assert same(found, without) == (case.outcome == "documented")
    if case.outcome == "documented":
        assert any(words in fields[field] for words in ("changes nothing", "whatever this says"))
    else:
        assert field.rpartition(".")[2] not in [name.rpartition(".")[2] for name in found.named]
