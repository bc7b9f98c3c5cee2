"""A server inside this process, for commands that only want to talk to a model."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from handlers.app import create_app
from handlers.cli.loading import load
from handlers.loaded import LoadedModel
from handlers.server import Server, listen, url
from handlers.service import Service
from handlers.settings import ModelSettings, default_names

HOST = "127.0.0.1"
POLL_SECONDS = 0.05
CLOSE_SECONDS = 5.0


class LoadFailed(Exception):
    """The model could not be loaded."""


@contextmanager
def local_server(settings: ModelSettings) -> Iterator[str]:
    """The address of a server on a free port of this machine alone, once its model answers; closed at the end.

    Raises LoadFailed where the model cannot be loaded; the log says why.
    """
    service = Service(lambda: load(settings), default_names(settings.model))
    server = Server(create_app(service), service, drain_seconds=0)
    with listen(HOST, 0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), name="server", daemon=True)
        thread.start()
        while service.status == "loading" and thread.is_alive():
            time.sleep(POLL_SECONDS)
        if service.status != "ready":
            raise LoadFailed(service.reason)
        try:
            yield url(HOST, listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(CLOSE_SECONDS)


def load_or_exit(settings: ModelSettings) -> LoadedModel:
    """The model, for commands that need no server. One that cannot be loaded ends the process with a line."""
    try:
        loaded = load(settings)
    except ValueError as error:
        sys.exit(f"jaxchat: error: {error}")
    if isinstance(loaded, LoadedModel):
        return loaded
    sys.exit(f"jaxchat: error: {settings.model} draws no tokens; give a model that generates text")
