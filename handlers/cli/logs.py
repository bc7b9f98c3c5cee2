"""What the log of a process has, how it is written, and what it leaves out."""

import json
import logging
from datetime import UTC, datetime
from typing import Literal

from handlers.http.request_id import NO_REQUEST, request_id

LONGEST_PATH = 200


def set_up_logging(level: str, style: Literal["text", "json"] = "text") -> None:
    """One line per event on standard error, for the server's own log and uvicorn's, without what says nothing."""
    handler = logging.StreamHandler()
    handler.setFormatter(TextFormatter() if style == "text" else JSONFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    logging.getLogger("jax").setLevel(logging.WARNING)  # lists the platforms that it did not find
    drop("uvicorn.access", '"GET /health')
    # About any query parameter that is named as an argument of the handler: whoever asks could fill the log.
    drop("connexion.decorators.parameter", "not defined in specification")
    logging.getLogger("uvicorn.access").addFilter(shorten_path)
    if level == "info":
        for name in ("connexion", "uvicorn.error", "httpx"):  # their steps of starting and stopping, its requests
            logging.getLogger(name).setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """Time, level and message, with the id of the request that it is about."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, without a traceback."""
        line, request = super().formatMessage(record), request_id.get()
        return line if request == NO_REQUEST or request in record.message else f"{line} [{request}]"


class JSONFormatter(logging.Formatter):
    """An object per line: time (UTC), level, logger, message, and request_id and traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, as one line of JSON."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields = {
            "time": time,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id.get() != NO_REQUEST:
            fields["request_id"] = request_id.get()
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def shorten_path(record: logging.LogRecord) -> bool:
    """Cuts long paths in uvicorn's lines about requests; keeps the line."""
    if isinstance(record.args, tuple) and len(record.args) == 5:
        client, method, path, *rest = record.args
        text = str(path)
        record.args = (client, method, text if len(text) <= LONGEST_PATH else f"{text[:LONGEST_PATH]}…", *rest)
    return True


def drop(logger: str, text: str) -> None:
    """Keep messages that contain `text` out of a logger."""
    logging.getLogger(logger).addFilter(lambda record: text not in record.getMessage())
