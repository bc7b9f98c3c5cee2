"""Failures in the form of Anthropic's Messages API."""

from typing import Any

from handlers.generation.lengths import TOO_LONG
from handlers.http.errors import APIError, ErrorShape, brief
from handlers.http.request_id import request_id

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""By status; other statuses below 500 are of an invalid request, others the server's."""


def error_body(error: APIError) -> dict[str, Any]:
    """The JSON body of a failure (schema MessagesErrorResponse).

    Of a prompt that is too long it is said in the words by which agents know that they must shorten their history.
    """
    kind = TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    message = f"prompt is too long: {error.message}" if error.code == TOO_LONG else error.message
    detail = {"type": kind, "message": brief(message), "param": error.param and brief(error.param), "code": error.code}
    return {"type": "error", "error": detail, "request_id": request_id.get()}


MESSAGES_ERRORS = ErrorShape(error_body, event="error", id_headers=("request-id",))
