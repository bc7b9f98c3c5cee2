"""What the log of a process has, and what it leaves out."""

import logging


def set_up_logging(level: str) -> None:
    """One line per event on standard error, for the server's own log and uvicorn's, without what says nothing."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("jax").setLevel(logging.WARNING)  # lists the platforms that it did not find
    drop("transformers", "PyTorch was not found")
    drop("uvicorn.access", '"GET /health')
    # About any query parameter that is named as an argument of the handler: whoever asks could fill the log.
    drop("connexion.decorators.parameter", "not defined in specification")
    if level == "info":
        for name in ("connexion", "uvicorn.error", "httpx"):  # their steps of starting and stopping, its requests
            logging.getLogger(name).setLevel(logging.WARNING)


def drop(logger: str, text: str) -> None:
    """Keep messages that contain `text` out of a logger."""
    logging.getLogger(logger).addFilter(lambda record: text not in record.getMessage())
