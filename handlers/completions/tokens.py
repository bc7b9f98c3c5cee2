"""POST /v1/tokenize and /v1/detokenize: texts as the ids that completions make of them, and ids as text."""

import orjson
from pydantic import BaseModel
from starlette.responses import Response

from generated.models import ContainerDetokenizationBody, ContainerTokenizationBody
from handlers.chat.request import model_of, unknown_fields
from handlers.generation.sampling import check_token_ids
from handlers.http.connection import while_connected
from handlers.http.errors import invalid
from handlers.http.ignored import ignored_header
from handlers.http.threads import in_prompt_thread
from handlers.http.validation import JSONBody
from handlers.loaded import Model
from handlers.service import current_service

MOST_CONTEXTS = 8
"""How many contexts long a text or a list of ids may be: longer ones are cut into parts to be counted."""


async def tokenize(json_body: JSONBody) -> Response:
    """Handles POST /v1/tokenize."""
    service = current_service()
    loaded, body = service.model, model_of(ContainerTokenizationBody, json_body.value)
    service.resolve_model(body.model)
    _check_length(len(body.prompt.encode()), MOST_CONTEXTS * loaded.tokenizer.longest_token, "prompt", "bytes", loaded)
    tokens = await while_connected(in_prompt_thread(loaded.tokenizer.encode_text, body.prompt))
    return _answer({"tokens": tokens}, json_body, body)


async def detokenize(json_body: JSONBody) -> Response:
    """Handles POST /v1/detokenize."""
    service = current_service()
    loaded = service.model
    _check_length(len(json_body.value["tokens"]), MOST_CONTEXTS, "tokens", "members", loaded)
    body = model_of(ContainerDetokenizationBody, json_body.value)
    service.resolve_model(body.model)
    check_token_ids(body.tokens, "tokens", loaded.engine)
    text = await while_connected(in_prompt_thread(loaded.tokenizer.decode_tail, body.tokens, len(body.tokens)))
    return _answer({"text": text if body.tokens else ""}, json_body, body)


def _check_length(size: int, most: int, param: str, unit: str, loaded: Model) -> None:
    most *= loaded.engine.context_length
    if size > most:
        raise invalid(f"{param} has {size} {unit}, but may have {most}; send it in parts", param)


def _answer(value: dict[str, object], json_body: JSONBody, body: BaseModel) -> Response:
    headers = ignored_header(unknown_fields(json_body.value, body))
    return Response(orjson.dumps(value), headers=headers, media_type="application/json")
