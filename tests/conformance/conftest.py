"""One real server, with the bundled model on a port of this machine, for all tests of this folder."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import jax
import pytest
import uvicorn
from tokenizers import Tokenizer

from handlers.app import create_app
from handlers.cli.loading import load
from handlers.service import Service
from handlers.settings import ServeSettings
from tests.conformance.chat import CONTEXT, QUEUE, ROWS, TIMEOUT, Chat, wait_until

CHECKPOINT = Path(__file__).parents[2] / "backend" / "tiny" / "checkpoint"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """`.url` of the server and the `.service` in it; it is warm."""
    settings = ServeSettings(
        model="tiny",
        max_batch_size=ROWS,
        max_context_length=CONTEXT,
        max_queue=QUEUE,
        grammar_cache=tmp_path_factory.mktemp("grammars"),
        compilation_cache=Path(jax.config.jax_compilation_cache_dir),  # the one that the session uses already
    )
    service = Service(lambda: load(settings), settings.model_names)
    config = uvicorn.Config(create_app(service), port=0, log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        wait_until(lambda: service.status == "failed" or httpx.get(url + "/health").status_code == 200, 3 * TIMEOUT)
        assert service.status == "ready", service.reason
        yield SimpleNamespace(url=url, service=service)
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def client(server: SimpleNamespace) -> Iterator[httpx.Client]:
    """Raw HTTP to the server."""
    with httpx.Client(base_url=server.url, timeout=TIMEOUT) as client:
        yield client


@pytest.fixture(scope="session")
def chat(client: httpx.Client) -> Chat:
    """A chat over raw HTTP."""
    return Chat(client)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """The bundled model's, read from its file by the library that made it: the oracle for tokens and their text."""
    return Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
