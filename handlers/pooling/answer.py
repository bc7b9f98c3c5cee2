"""What the endpoints that pool have in common: inputs checked, counted, encoded and pooled before the deadline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handlers.http.connection import while_connected
from handlers.http.deadline import Deadline
from handlers.http.threads import in_prompt_thread
from handlers.loaded import PoolingModel
from handlers.metrics.request import RequestMetrics
from handlers.pooling.inputs import Input, check_inputs, encode
from handlers.pooling.run import pool
from handlers.service import current_service
from handlers.tracing import current_trace


@dataclass(frozen=True)
class PooledRequest:
    """A request in order, but for what its inputs are.

    model: the name that answers carry. adapter: the one that changes the model, None for none. prompt: what goes before
    texts. operation: how traces call it.
    """

    inputs: Sequence[Input]
    model: str
    adapter: str | None
    prompt: str
    operation: str


@dataclass(frozen=True)
class Pooled:
    """vectors: float32, one for each input, in order. usage: schema TextClassificationUsage."""

    vectors: list[np.ndarray]
    usage: dict[str, int]


async def answer(request: PooledRequest, model: PoolingModel) -> Pooled:
    """What the inputs are pooled to. Raises APIError: 422 naming an input, 429, 504 at the deadline."""
    service = current_service()
    await in_prompt_thread(check_inputs, request.inputs, model)
    deadline = Deadline(service.request_timeout)
    current_trace.get().describe(request.operation, request.model)
    with service.metrics.request(len(request.inputs)) as request_metrics:
        return await while_connected(_pooled(request, model, request_metrics, deadline))


async def _pooled(
    request: PooledRequest, model: PoolingModel, request_metrics: RequestMetrics, deadline: Deadline
) -> Pooled:
    async with deadline.enforced():
        prompts = await in_prompt_thread(encode, request.inputs, request.prompt, model)
        vectors = await pool(prompts, request.adapter, model, request_metrics)
    tokens = sum(map(len, prompts))
    return Pooled(vectors, {"prompt_tokens": tokens, "total_tokens": tokens})
