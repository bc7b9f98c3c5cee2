"""POST /v1/embeddings, from the validated body to the answer."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from starlette.responses import Response

from backend import PoolingConfig, embedding
from generated.models import EmbeddingsBody
from handlers.chat.request import model_of, unknown_fields
from handlers.http.errors import invalid
from handlers.http.ignored import ignored_header
from handlers.http.threads import in_prompt_thread
from handlers.http.validation import JSONBody
from handlers.pooling.answer import PooledRequest, answer
from handlers.pooling.inputs import inputs_of
from handlers.service import current_service


async def create_embeddings(json_body: JSONBody) -> Response:
    """Handles POST /v1/embeddings."""
    service = current_service()
    model = service.pooling_model("embed")
    body = model_of(EmbeddingsBody, json_body.value)
    inputs = inputs_of(body.input, "input")
    name, adapter = service.resolve_model(body.model)
    pooling = model.pooling
    if body.dimensions is not None and body.dimensions > pooling.size:
        raise invalid(
            f"dimensions is {body.dimensions}, but an embedding of this model has {pooling.size} numbers", "dimensions"
        )
    request = PooledRequest(inputs, name, adapter, _prompt(body.prompt_name, pooling), "embeddings")
    pooled = await answer(request, model)
    content = await in_prompt_thread(_content, pooled.vectors, body, pooling, name, pooled.usage)
    headers = ignored_header(unknown_fields(json_body.value, body))
    return Response(content, headers=headers, media_type="application/json")


def _prompt(name: str | None, pooling: PoolingConfig) -> str:
    """The text before each text. Raises APIError 422 where the checkpoint has none of that name."""
    if name is None:
        return pooling.default_prompt
    prompts = dict(pooling.prompts)
    if name not in prompts:
        known = ", ".join(map(repr, prompts)) or "no prompts; leave prompt_name out"
        raise invalid(f"prompt_name is {name!r}, but this model has {known}", "prompt_name")
    return prompts[name]


def _content(
    vectors: Sequence[np.ndarray], body: EmbeddingsBody, pooling: PoolingConfig, name: str, usage: dict[str, Any]
) -> bytes:
    """The answer as JSON (schema EmbeddingsSuccess)."""
    written = _in_base64 if body.encoding_format == "base64" else np.ascontiguousarray
    data = [
        {"object": "embedding", "index": i, "embedding": written(embedding(pooling, vector, body.dimensions))}
        for i, vector in enumerate(vectors)
    ]
    whole = {"object": "list", "data": data, "model": name, "usage": usage}
    return orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY)


def _in_base64(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
