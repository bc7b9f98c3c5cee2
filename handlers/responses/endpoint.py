"""POST /v1/responses, from the validated body to the response, and what others ask of responses that are kept."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from connexion.context import scope
from starlette.responses import Response

from generated.models import ContainerResponsesBody, ResponsesItemReference
from handlers.chat.count import count_prompt
from handlers.chat.ignored import given_beside, not_in_the_prompt
from handlers.chat.respond import Chat, respond
from handlers.generation.deltas import Delta
from handlers.generation.plan import GenerationPlan
from handlers.http.client import current_cache_namespace, current_client
from handlers.http.errors import APIError, ErrorShape, as_api_error, error_body
from handlers.http.ignored import ignored_header
from handlers.http.sse import Chunks, Event, Framing
from handlers.http.threads import in_prompt_thread
from handlers.http.validation import JSONBody
from handlers.responses.answer import ResponseMaker
from handlers.responses.items import OutputForm
from handlers.responses.kept import kept_items
from handlers.responses.request import ResponseRequest, check_size, read_body, read_request, summary
from handlers.responses.store import ResponseStore, StoredResponse
from handlers.service import current_service


def error_event(error: APIError) -> dict[str, Any]:
    """A failure that comes before the first event of a stream (schema ResponsesStreamError)."""
    detail = error_body(error)["error"]
    told = {name: detail[name] for name in ("code", "message", "param")}
    return {"type": "error", "sequence_number": 0, **told, "error": detail}


ERRORS = ErrorShape(event="error", event_body=error_event)
NAMED_EVENTS = Framing(ping=b": ping\n\n", end=b"")
OF_THE_PROMPT = ("model", "input", "instructions", "previous_response_id", "reasoning", "tools", "tool_choice")
"""What of a response's body its prompt depends on."""
NOT_FOUND, NO_PREVIOUS = "response_not_found", "previous_response_not_found"


async def create_response(json_body: JSONBody) -> Response:
    """Handles POST /v1/responses: one JSON object, or a stream of events where `stream` is true."""
    request, previous, referenced = await _read(json_body)
    keeper = _keeper(request, previous, referenced)
    return await respond(request, lambda chat, plan, output: _maker(chat, plan, request, keeper), NAMED_EVENTS)


async def count_input_tokens(json_body: JSONBody) -> Response:
    """Handles POST /v1/responses/input_tokens: how many tokens the prompt has that such a response is made of."""
    service = current_service()
    request, _, _ = await _read(json_body)
    count = await count_prompt(request, service)
    beside = given_beside(OF_THE_PROMPT, request.asked)
    inert = not_in_the_prompt(request, service.loaded.tokenizer)
    headers = ignored_header([*request.without_effect(), *beside, *inert])
    found = {"object": "response.input_tokens", "input_tokens": count}
    return Response(orjson.dumps(found), headers=headers, media_type="application/json")


async def retrieve_response(response_id: str, stream: bool = False) -> Response:
    """Handles GET /v1/responses/{response_id}. stream: false, as the document has it."""
    return Response(_stored(response_id).json, media_type="application/json")


async def delete_response(response_id: str) -> Response:
    """Handles DELETE /v1/responses/{response_id}."""
    stored = _stored(response_id)
    _store().delete(stored.id, stored.owner)
    return _json({"id": response_id, "object": "response", "deleted": True})


async def cancel_response(response_id: str) -> Response:
    """Handles POST /v1/responses/{response_id}/cancel. What is kept has ended, since none is made in the background."""
    _stored(response_id)
    message = "Cannot cancel a synchronous response; one that is being made ends when its client closes the connection"
    raise APIError(400, message, param="response_id", code="response_not_cancellable")


async def list_input_items(
    response_id: str, limit: int = 20, order: str = "desc", after: str | None = None
) -> Response:
    """Handles GET /v1/responses/{response_id}/input_items: a page of them."""
    items = _stored(response_id).input_items()
    if order == "desc":
        items.reverse()
    if after is not None:
        start = next((i for i, item in enumerate(items, 1) if item["id"] == after), None)
        if start is None:
            raise APIError(404, f"the response {response_id!r} has no input item {after!r}", param="after")
        items = items[start:]
    page = items[:limit]
    first, last = (page[0]["id"], page[-1]["id"]) if page else (None, None)
    found = {"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": len(items) > limit}
    return _json(found)


@dataclass(frozen=True)
class StreamedResponse:
    """Makes what is sent of a response: it as a whole, or its events under their names."""

    maker: ResponseMaker

    async def result(self, deltas: AsyncIterator[Delta]) -> dict[str, Any]:
        """The whole response."""
        return await self.maker.result(deltas)

    async def chunks(self, deltas: AsyncIterator[Delta]) -> Chunks:
        """The events of its stream."""
        async with aclosing(self.maker.events(deltas)) as events:
            async for event in events:
                yield Event(event["type"], event)


def current_store() -> ResponseStore | None:
    """The store of the application that handles the current request, None where it keeps nothing."""
    store: ResponseStore | None = scope["state"]["response_store"]
    return store


async def _read(
    json_body: JSONBody,
) -> tuple[ResponseRequest, StoredResponse | None, Mapping[int, dict[str, Any]]]:
    """The request of a body, the response that it follows, and by place in `input` what references mean."""
    loaded = current_service().loaded
    check_size(json_body.value, loaded.engine.context_length)
    asked = read_body(json_body)
    previous, referenced = _previous(asked), _referenced(asked)
    keeps = current_store() is not None
    request = await in_prompt_thread(read_request, json_body, asked, previous, referenced, loaded.format, keeps)
    return request, previous, referenced


def _json(value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")


def _store() -> ResponseStore:
    """The same; raises APIError 404 where no responses are kept."""
    store = current_store()
    if store is None:
        message = "this server keeps no responses (--response-store off); send the whole conversation in input"
        raise APIError(404, message, code=NOT_FOUND)
    return store


def _stored(response_id: str) -> StoredResponse:
    found = _store().get(response_id, current_cache_namespace())
    if found is None:
        raise APIError(404, _missing(f"response {response_id!r}"), code=NOT_FOUND)
    return found


def _missing(what: str) -> str:
    return f"there is no {what}: it was not stored, was deleted, or is no longer kept"


def _previous(asked: ContainerResponsesBody) -> StoredResponse | None:
    """The response that this one follows. Raises APIError 404 that names the field."""
    if not asked.previous_response_id:
        return None
    try:
        return _stored(asked.previous_response_id)
    except APIError as error:
        message = f"previous_response_id: {error.message}"
        raise APIError(404, message, param="previous_response_id", code=NO_PREVIOUS) from error


def _referenced(asked: ContainerResponsesBody) -> dict[int, dict[str, Any]]:
    """By place in `input`, the item that a reference there means. Raises APIError 404 that names the reference."""
    found: dict[int, dict[str, Any]] = {}
    for i, item in enumerate(asked.input if isinstance(asked.input, list) else ()):
        if isinstance(item, ResponsesItemReference):
            meant = _store().item(item.id, current_cache_namespace())
            if meant is None:
                path = f"input.{i}.id"
                raise APIError(404, f"{path}: {_missing(f'item {item.id!r}')}", param=path, code="item_not_found")
            found[i] = meant
    return found


@dataclass(frozen=True)
class Keeper:
    """Keeps one response when it has ended. store: where, None for nowhere. given: `input` of its request."""

    store: ResponseStore | None
    given: str | list[dict[str, Any]]
    previous: StoredResponse | None
    referenced: Mapping[int, dict[str, Any]]
    owner: str | None
    client: str | None

    def keep(self, response: dict[str, Any]) -> bool:
        """Whether it is kept: there may be no room."""
        if self.store is None:
            return False
        items = kept_items(self.given, self.referenced)
        return self.store.put(response, items, self.previous, self.owner, self.client)


def _keeper(
    request: ResponseRequest, previous: StoredResponse | None, referenced: Mapping[int, dict[str, Any]]
) -> Keeper:
    store = current_store() if request.asked.store is not False else None
    given = "" if store is None else request.json_body.value["input"]
    return Keeper(store, given, previous, referenced, current_cache_namespace(), current_client())


def _maker(chat: Chat, plan: GenerationPlan, request: ResponseRequest, keeper: Keeper) -> StreamedResponse:
    form = OutputForm(
        id=uuid4().hex,
        tools=request.tools.targets(),
        summary=request.summarises,
        encrypted=request.encrypts,
        logprobs=request.logprobs,
    )
    maker = ResponseMaker(
        asked=_given_back(chat, plan, request, keeper.store is not None),
        form=form,
        prompt_tokens=len(plan.prompt),
        seed=plan.seeds[0],
        keep=keeper.keep,
        fail=_failure,
        cached_tokens=chat.report_cached_tokens,
    )
    return StreamedResponse(maker)


def _without_nulls(sent: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (sent or {}).items() if value is not None}


def _failure(error: Exception) -> tuple[str, str]:
    """What a response that fails says of it."""
    told = as_api_error(error, scope)
    return "rate_limit_exceeded" if told.status == 429 else "server_error", error_body(told)["message"]


def _given_back(chat: Chat, plan: GenerationPlan, request: ResponseRequest, store: bool) -> dict[str, Any]:
    """What a response repeats of its request, and what was taken where that said nothing."""
    sent, asked = request.json_body.value, request.asked
    repeated = ("instructions", "max_output_tokens", "max_tool_calls", "previous_response_id", "prompt_cache_key")
    return {
        "model": chat.model,
        **{name: sent.get(name) for name in (*repeated, "safety_identifier", "user")},
        "background": False,
        "metadata": asked.metadata or {},
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "reasoning": {"effort": asked.reasoning and asked.reasoning.effort, "summary": summary(asked)},
        "service_tier": "default",
        "store": store,
        "temperature": plan.sampling.temperature,
        "text": {"format": {"type": "text"}, **_without_nulls(sent.get("text"))},
        "tool_choice": sent.get("tool_choice") or "auto",
        "tools": sent.get("tools") or [],
        "top_logprobs": plan.top_logprobs or 0,
        "top_p": plan.sampling.top_p,
        "truncation": "disabled",
    }
