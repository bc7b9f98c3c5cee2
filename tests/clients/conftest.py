"""One real server with the bundled model, in a process of its own, and tools that the model has learnt to call."""

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import pytest

from tests.clients.tools import Tools
from tests.load.server import serving

os.environ["LANGSMITH_TRACING_V2"] = "false"  # above all other variables that would turn it on

LIBRARIES = {
    "agents": "agents",
    "instructor": "instructor",
    "langchain": "langchain_openai",
    "litellm": "litellm",
    "llm": "llm",
    "lm_eval": "lm_eval",
    "pydantic_ai": "pydantic_ai",
}
collect_ignore = [f"test_{name}.py" for name, library in LIBRARIES.items() if find_spec(library) is None]
if not (Path(__file__).parent / "vercel" / "node_modules").is_dir():
    collect_ignore.append("test_vercel.py")
"""So that the suite can be collected without them; a file that is named to pytest is collected all the same."""

BEYOND: list[str] = []
"""The other machines that a library wanted to reach."""


def refuse_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook, so that it holds for every library, in every thread."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in ("127.0.0.1", "::1", "localhost", None):
        BEYOND.append(str(host))
        raise ConnectionRefusedError(f"tests stay on this machine, {host} is another")


@pytest.fixture(scope="session")
def audited() -> None:
    """Once, and for good: a hook cannot be taken away."""
    sys.addaudithook(refuse_other_machines)


@pytest.fixture(autouse=True)
def offline(audited: None) -> Iterator[None]:
    """Fails where a library looked beyond this machine, even if it took the refusal in silence."""
    yield
    assert BEYOND == []


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address that OpenAI's client calls base_url."""
    folder = tmp_path_factory.mktemp("server")
    with serving(folder, "--compilation-cache", jax.config.jax_compilation_cache_dir) as server:
        yield server.url + "/v1"


@pytest.fixture(scope="session")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A server whose model takes all media and notes what it is given, in `.encoder`; `.base_url`."""
    # Here, since Pillow and PyAV are beside few of the libraries.
    from tests.handlers.chat.seeing import NAMES, model
    from tests.handlers.conftest import parts as fake_parts
    from tests.handlers.media.networks import Network

    loaded, encoder = model(fake_parts, Network(NAMES), tmp_path_factory.mktemp("media"))
    with fake_parts.served(load=lambda: loaded) as server:
        fake_parts.wait_until(lambda: server.service.status == "ready")
        yield SimpleNamespace(base_url=f"{server.url}/v1", encoder=encoder)


@pytest.fixture
def tools() -> Tools:
    """Tools that have not run yet."""
    return Tools()
