"""GET /health: whether a chat request would be answered now."""

import orjson
from starlette.responses import Response

from handlers.http.errors import error_body
from handlers.service import current_service


async def get_health() -> Response:
    """200 once the model is loaded and warm, else 503 with the state and the reason."""
    service = current_service()
    if service.status == "ready":
        return Response(orjson.dumps({"status": "ready"}), media_type="application/json")
    error = service.unavailable()
    body = {"status": error.code, **error_body(error)}
    return Response(orjson.dumps(body), error.status, error.headers, media_type="application/json")
