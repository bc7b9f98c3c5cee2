"""The id of the request that is being handled: in its answer's `x-request-id`, in the log, and in errors."""

from contextvars import ContextVar

NO_REQUEST = "-"
request_id: ContextVar[str] = ContextVar("request_id", default=NO_REQUEST)
