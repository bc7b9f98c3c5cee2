"""GET /v1/models: the names that a request's `model` may have."""

from typing import Any

import orjson
from starlette.responses import Response

from handlers.service import Service, current_service


async def list_models() -> Response:
    """All names."""
    service = current_service()
    return _json({"object": "list", "data": [_describe(name, service) for name in service.model_names]})


async def retrieve_model(model: str) -> Response:
    """One name; raises APIError 404 where it is unknown."""
    service = current_service()
    service.resolve_model(model)
    return _json(_describe(model, service))


def _describe(name: str, service: Service) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": service.created, "owned_by": "jaxchat"}


def _json(value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
