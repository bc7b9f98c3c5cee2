"""One real model, the bundled one, behind two servers on ports of this machine: one as it is, one that is strict."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import httpx
import jax
import pytest
import uvicorn
from tokenizers import Tokenizer

from handlers.app import EVERYBODY, create_app
from handlers.cli.loading import load
from handlers.http.access import Access, digests
from handlers.loaded import LoadedModel
from handlers.service import Acceptance, Service
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
    with served(Service(lambda: load(settings), settings.model_names)) as server:
        yield server


@pytest.fixture(scope="session")
def strict_server(server: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """The same model, served as `--strict` does."""
    shared = shared_model(server)
    with served(Service(lambda: shared, server.service.model_names, acceptance=Acceptance(strict=True))) as strict:
        yield strict


@pytest.fixture(scope="session")
def keyed_server(server: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """The same model, served to who has one of the keys "hog", "neighbour" and "other"."""
    shared, keys = shared_model(server), digests(["hog", "neighbour", "other"])
    with served(Service(lambda: shared, server.service.model_names), Access(keys)) as keyed:
        yield keyed


def shared_model(server: SimpleNamespace) -> "SharedModel":
    """That of a server, for another one."""
    loaded = server.service.loaded
    return SharedModel(**{field.name: getattr(loaded, field.name) for field in fields(loaded)})


class SharedModel(LoadedModel):
    """A model that another service closes."""

    def close(self) -> None:
        """Nothing."""


@contextmanager
def served(service: Service, access: Access = EVERYBODY, page: bool = False) -> Iterator[SimpleNamespace]:
    """A server of a service on a free port, once it is ready."""
    config = uvicorn.Config(
        create_app(service, access=access, page=page), port=0, log_level="warning", timeout_graceful_shutdown=1
    )
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
def strict_chat(strict_server: SimpleNamespace) -> Iterator[Chat]:
    """A chat over raw HTTP with the strict server."""
    with httpx.Client(base_url=strict_server.url, timeout=TIMEOUT) as client:
        yield Chat(client)


@pytest.fixture(scope="session")
def chat(client: httpx.Client) -> Chat:
    """A chat over raw HTTP."""
    return Chat(client)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """The bundled model's, read from its file by the library that made it: the oracle for tokens and their text."""
    return Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
