"""What the log leaves out."""

import logging

import pytest

from handlers.cli.logs import set_up_logging


@pytest.mark.parametrize(
    ("logger", "message", "passes"),
    [
        ("transformers", "PyTorch was not found. Models won't be available", False),
        ("transformers", "Something else", True),
        ("connexion.decorators.parameter", "Function argument 'json_body' not defined in specification", False),
        ("uvicorn.access", '1 - "GET /health HTTP/1.1" 503', False),
        ("uvicorn.access", '1 - "POST /v1/chat/completions HTTP/1.1" 200', True),
    ],
)
def test_the_log_leaves_out_what_says_nothing(logger, message, passes):
    set_up_logging("info")
    record = logging.LogRecord(logger, logging.INFO, "", 1, message, None, None)
    assert bool(logging.getLogger(logger).filter(record)) is passes
