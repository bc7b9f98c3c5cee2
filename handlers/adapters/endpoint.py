"""POST /v1/adapters, DELETE /v1/adapters/{name}, and vLLM's spelling of both."""

import asyncio
import logging
from pathlib import Path

import orjson
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, Response

from backend import AdapterExists, UnknownAdapter
from generated.models import AdapterToLoad, LoraAdapterToLoad, LoraAdapterToUnload
from handlers.adapters.folder import adapter_folder
from handlers.chat.request import model_of, unknown_fields
from handlers.http.errors import APIError, invalid
from handlers.http.ignored import ignored_header
from handlers.http.validation import JSONBody
from handlers.models import describe_model
from handlers.service import Service, current_service

logger = logging.getLogger(__name__)
MOST_ADAPTERS = 4096
"""Names that may be given; each takes some memory, whether or not its adapter is held."""


async def load_adapter(json_body: JSONBody) -> Response:
    """Handles POST /v1/adapters."""
    name = json_body.value["name"]
    await _load(current_service(), name, json_body.value.get("path") or name, ("name", "path"))
    headers = _headers(AdapterToLoad, json_body)
    return Response(orjson.dumps(describe_model(name, current_service())), 200, headers, media_type="application/json")


async def unload_adapter(name: str) -> Response:
    """Handles DELETE /v1/adapters/{name}."""
    await _unload(current_service(), name, None)
    return Response(orjson.dumps({"id": name, "object": "model", "deleted": True}), media_type="application/json")


async def load_lora_adapter(json_body: JSONBody) -> Response:
    """Handles POST /v1/load_lora_adapter, and answers as vLLM does."""
    name = json_body.value["lora_name"]
    await _load(current_service(), name, json_body.value["lora_path"], ("lora_name", "lora_path"))
    headers = _headers(LoraAdapterToLoad, json_body)
    return PlainTextResponse(f"Success: LoRA adapter '{name}' added successfully.", headers=headers)


async def unload_lora_adapter(json_body: JSONBody) -> Response:
    """Handles POST /v1/unload_lora_adapter, and answers as vLLM does."""
    name = json_body.value["lora_name"]
    await _unload(current_service(), name, "lora_name")
    headers = _headers(LoraAdapterToUnload, json_body)
    return PlainTextResponse(f"Success: LoRA adapter '{name}' removed successfully.", headers=headers)


def _headers(kind: type[BaseModel], json_body: JSONBody) -> dict[str, str]:
    """Names what of a body has no effect."""
    return ignored_header(unknown_fields(json_body.value, model_of(kind, json_body.value)))


async def _load(service: Service, name: str, path: str, params: tuple[str, str]) -> None:
    """params: the body's words for name and path. Raises APIError 403, 409, 422."""
    engine, root = service.model.engine, _root(service)
    name_param, path_param = params
    taken = APIError(409, f"{name!r} is the name of another model or adapter", param=name_param, code="adapter_exists")
    if name in service.model_names:
        raise taken
    if len(engine.adapter_names) >= MOST_ADAPTERS:
        raise APIError(409, f"there are {MOST_ADAPTERS} adapters; unload some", code="too_many_adapters")
    folder = await asyncio.to_thread(adapter_folder, root, path, path_param)
    try:
        async with service.adapter_turn:
            await asyncio.to_thread(engine.load_adapter, name, folder)
    except AdapterExists:
        raise taken from None
    except ValueError as error:  # of what is wrong with it, without saying where this machine keeps it
        raise invalid(str(error).replace(str(folder), path), path_param) from error
    logger.info("adapter %s: loaded from %s", name, folder)


async def _unload(service: Service, name: str, param: str | None) -> None:
    """Raises APIError 403, 404."""
    engine, _ = service.model.engine, _root(service)
    try:
        await asyncio.to_thread(engine.unload_adapter, name)
    except UnknownAdapter:
        known = ", ".join(engine.adapter_names) or "none"
        message = f"there is no adapter {name!r}; there is {known}"
        raise APIError(404, message, param=param, code="model_not_found") from None
    logger.info("adapter %s: unloaded", name)


def _root(service: Service) -> Path:
    """The folder of adapters. Raises APIError 403 where none are loaded while the server runs."""
    if service.adapter_folder is None:
        message = "this server loads and unloads no adapters while it runs; --allow-adapter-loading lets it"
        raise APIError(403, message, code="adapter_loading_not_allowed")
    return service.adapter_folder
