"""The application: the merged document's operations, each routed to its handler by operationId."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from connexion import AsyncApp
from connexion.middleware.context import ContextMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.request_validation import RequestValidationMiddleware
from connexion.middleware.routing import RoutingMiddleware
from connexion.middleware.swagger_ui import SwaggerUIMiddleware
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolver
from starlette.middleware.cors import CORSMiddleware

from handlers import health, models
from handlers.adapters.endpoint import load_adapter, load_lora_adapter, unload_adapter, unload_lora_adapter
from handlers.chat.endpoint import complete_chat
from handlers.chat.render import render_chat
from handlers.completions.endpoint import complete_text
from handlers.completions.tokens import detokenize, tokenize
from handlers.http.access import Access, AccessMiddleware
from handlers.http.errors import ErrorMiddleware, ErrorShape
from handlers.http.lifecycle import LifecycleMiddleware
from handlers.http.routes import RouteMiddleware, Routes, SlashMiddleware
from handlers.http.spec import document_text, load_document, use_openapi_31
from handlers.http.validation import JSON, JSONBodies, MediaTypeMiddleware, Parameters
from handlers.messages.endpoint import count_tokens, create_message
from handlers.messages.errors import MESSAGES_ERRORS
from handlers.metrics.endpoints import OTHER, EndpointMiddleware
from handlers.metrics.status import log_status
from handlers.page.files import PageFile, document_files, read_files
from handlers.page.middleware import PageMiddleware
from handlers.pooling.classification import classify
from handlers.pooling.embeddings import create_embeddings
from handlers.responses import endpoint as responses
from handlers.responses.store import ResponseStore
from handlers.service import Service
from handlers.tracing import NO_TRACING, Tracing, TracingMiddleware

OPERATIONS: dict[str, Callable[..., Any]] = {
    "containerChatComplete": complete_chat,
    "containerChatRender": render_chat,
    "containerCompletionsComplete": complete_text,
    "containerDetokenization": detokenize,
    "containerTokenization": tokenize,
    "containerTextClassification": classify,
    "createEmbeddings": create_embeddings,
    "containerResponses": responses.create_response,
    "cancelResponse": responses.cancel_response,
    "countResponseInputTokens": responses.count_input_tokens,
    "deleteResponse": responses.delete_response,
    "getHealth": health.get_health,
    "containerMessages": create_message,
    "containerMessagesCountTokens": count_tokens,
    "listModels": models.list_models,
    "listResponseInputItems": responses.list_input_items,
    "loadAdapter": load_adapter,
    "loadLoraAdapter": load_lora_adapter,
    "retrieveModel": models.retrieve_model,
    "retrieveResponse": responses.retrieve_response,
    "unloadAdapter": unload_adapter,
    "unloadLoraAdapter": unload_lora_adapter,
}
ERROR_SHAPES: dict[str, ErrorShape] = {"/v1/messages": MESSAGES_ERRORS, "/v1/responses": responses.ERRORS}
"""How failures are told at paths that begin so; at others in the common form."""
# Connexion's own stack, without those in whose place others stand before it: ErrorMiddleware for the two that answer
# failures, AccessMiddleware for the one that checks keys; and without its checking of responses, which buffers them and
# knows only Draft 4. The tests check responses instead.
MIDDLEWARES = [
    MediaTypeMiddleware,
    SwaggerUIMiddleware,
    RoutingMiddleware,
    RequestValidationMiddleware,
    LifespanMiddleware,
    ContextMiddleware,
]
EVERYBODY = Access()
STORE_BYTES, STORE_SECONDS = 64 << 20, 24 * 3600.0
PAGE, DOCUMENTATION = "page", "documentation"
SWAGGER_UI = "/ui/"
OF_THE_DOCUMENTATION = ("/ui", "/openapi.")
"""Paths that begin so show the document."""
EXPOSED_HEADERS = ("x-request-id", "request-id", "x-ignored-parameters", "retry-after")


def create_app(
    service: Service,
    *,
    max_body_bytes: int | None = None,
    access: Access = EVERYBODY,
    store_bytes: int = STORE_BYTES,
    store_seconds: float = STORE_SECONDS,
    page: bool = False,
    tracing: Tracing = NO_TRACING,
) -> AsyncApp:
    """The ASGI application. It starts the service when it starts, and closes it when it stops.

    max_body_bytes: of a request, None for what its model's context can use. access: who may ask. store_bytes,
    store_seconds: for how many bytes and how long responses are kept, 0 bytes for none. page: whether there is one to
    talk to the model; its files need no key. tracing: of requests; whoever made it closes it.
    """
    store = ResponseStore(store_bytes, store_seconds) if store_bytes else None

    @asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[dict[str, Any]]:
        watching = [asyncio.create_task(work) for work in (log_status(service), service.metrics.loop_lag.watch())]
        service.start()
        try:
            yield {"service": service, "response_store": store}
        finally:
            for task in watching:
                task.cancel()
            await asyncio.to_thread(service.close)  # waits for a computation; a second signal must still be heard

    use_openapi_31()
    document = load_document(service.acceptance.strict)
    shown = document_files(document, document_text(service.acceptance.strict))
    outermost = _outermost(service, Routes(document), access, read_files() if page else {}, shown, tracing)
    own_document = SwaggerUIOptions(serve_spec=False)
    app = AsyncApp(
        "handlers", lifespan=lifespan, middlewares=[*outermost, *MIDDLEWARES], swagger_ui_options=own_document
    )
    app.add_api(
        document,
        resolver=Resolver(_operation),
        validator_map={
            "body": {JSON: JSONBodies(document, lambda: max_body_bytes or service.body_bytes, lambda: service.context)},
            "parameter": Parameters,
        },
    )
    return app


def _outermost(
    service: Service,
    routes: Routes,
    access: Access,
    files: Mapping[str, PageFile],
    document: Mapping[str, PageFile],
    tracing: Tracing,
) -> list[Any]:
    """What every request passes first: its path loses slashes at its end, it is traced and counted, failures become
    answers, who may not ask is refused, the page is shown, who comes while the server drains is sent away, what the
    document has not is told."""

    def endpoint(method: str, path: str) -> str:
        """What a request is counted as."""
        if route := routes.find(method, path):
            return route.template
        return PAGE if path in files else DOCUMENTATION if path.startswith(OF_THE_DOCUMENTATION) else OTHER

    cross_origin = partial(
        CORSMiddleware,
        allow_origins=sorted(access.origins),
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=EXPOSED_HEADERS,
    )
    open_paths = access.open_paths | files.keys() | document.keys() | {SWAGGER_UI.rstrip("/")}
    open_access = replace(access, open_paths=open_paths, open_folders=(SWAGGER_UI,))
    return [
        partial(SlashMiddleware, routes=routes),
        *([] if tracing is NO_TRACING else [partial(TracingMiddleware, tracing=tracing)]),
        partial(EndpointMiddleware, instruments=service.metrics.requests.by_endpoint, endpoint=endpoint),
        *([cross_origin] if access.origins else []),
        partial(ErrorMiddleware, shapes=ERROR_SHAPES),
        partial(AccessMiddleware, access=open_access),
        partial(PageMiddleware, files={**files, **document}),
        LifecycleMiddleware,
        partial(RouteMiddleware, routes=routes),
    ]


def _operation(operation_id: str) -> Callable[..., Any]:
    try:
        return OPERATIONS[operation_id]
    except KeyError:
        raise ValueError(f"no handler for the operationId {operation_id!r}; add it to OPERATIONS") from None
