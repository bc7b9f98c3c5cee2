"""POST /classify, from the validated body to the answer."""

from typing import Any

import numpy as np
import orjson
from starlette.responses import Response

from backend import PoolingConfig, class_scores
from generated.models import ContainerTextClassificationBody
from handlers.chat.request import model_of, unknown_fields
from handlers.http.errors import invalid
from handlers.http.ignored import ignored_header
from handlers.http.validation import JSONBody
from handlers.pooling.answer import PooledRequest, answer
from handlers.pooling.inputs import Input, inputs_of
from handlers.service import current_service


async def classify(json_body: JSONBody) -> Response:
    """Handles POST /classify."""
    service = current_service()
    model = service.pooling_model("classify")
    body = model_of(ContainerTextClassificationBody, json_body.value)
    inputs = _inputs(body)
    name, adapter = service.resolve_model(body.model)
    pooled = await answer(PooledRequest(inputs, name, adapter, "", "classify"), model)
    data = [_class(i, logits, model.pooling) for i, logits in enumerate(pooled.vectors)]
    content = orjson.dumps({"data": data, "object": "list", "usage": pooled.usage}, option=orjson.OPT_SERIALIZE_NUMPY)
    headers = ignored_header(unknown_fields(json_body.value, body))
    return Response(content, headers=headers, media_type="application/json")


def _inputs(body: ContainerTextClassificationBody) -> list[Input]:
    """Raises APIError 422 where there is no input, or two."""
    if body.tokens is None and body.input is None:
        raise invalid("there is no input; give input or tokens", "input")
    if body.tokens is None:
        return inputs_of(body.input, "input")
    if body.input is not None:
        raise invalid("tokens cannot be used together with input; leave one of them out", "tokens")
    return [Input(body.tokens, "tokens")]


def _class(index: int, logits: np.ndarray, pooling: PoolingConfig) -> dict[str, Any]:
    """One of the answer (schema BaseClassificationData)."""
    scores = class_scores(pooling, logits)
    label = pooling.labels[int(scores.argmax())]
    return {"index": index, "label": label, "num_classes": len(pooling.labels), "probs": scores}
