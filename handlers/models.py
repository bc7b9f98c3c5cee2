"""GET /v1/models: the names that a request's `model` may have, those of adapters among them."""

from typing import Any

import orjson
from starlette.responses import Response

from backend import MODALITIES
from handlers.service import Service, current_service


async def list_models() -> Response:
    """All names."""
    service = current_service()
    return _json({"object": "list", "data": [describe_model(name, service) for name in service.all_names]})


async def retrieve_model(model: str) -> Response:
    """One name; raises APIError 404 where it is unknown."""
    service = current_service()
    if model not in service.all_names:  # not even none, which means the base model elsewhere
        raise service.unknown_model(model)
    return _json(describe_model(model, service))


def describe_model(name: str, service: Service) -> dict[str, Any]:
    """A name as the API shows it: what the model is for and takes, once it is loaded."""
    described: dict[str, Any] = {"id": name, "object": "model", "created": service.created, "owned_by": "jaxchat"}
    if service.task is not None:
        described["task"] = service.task
    if service.modalities is not None:
        described["input_modalities"] = ["text", *(each for each in MODALITIES if each in service.modalities)]
    return described if name in service.model_names else {**described, "parent": service.model_names[0]}


def _json(value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value), media_type="application/json")
