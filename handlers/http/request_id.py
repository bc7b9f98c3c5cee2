"""The id of the request that is being handled: in its answer's `x-request-id`, in the log, and in errors."""

import re
from contextvars import ContextVar
from uuid import uuid4

from starlette.datastructures import Headers

NO_REQUEST = "-"
HEADER = "x-request-id"
request_id: ContextVar[str] = ContextVar("request_id", default=NO_REQUEST)
_KNOWN = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


def id_of(headers: Headers) -> str:
    """The client's own id of a request, where it is one that a log can have, or else a new one."""
    given = headers.get(HEADER, "")
    return given if _KNOWN.fullmatch(given) else uuid4().hex
