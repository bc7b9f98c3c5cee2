"""The page in a headless Chromium, over the bundled model."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from handlers.http.access import Access, digests
from handlers.service import Service
from tests.conformance.conftest import served, server, shared_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

__all__ = ["server"]
collect_ignore_glob = [] if find_spec("playwright") else ["test_*"]
Answer = Callable[..., None]


@pytest.fixture(scope="session")
def site(server: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """The bundled model with its page."""
    shared = shared_model(server)
    with served(Service(lambda: shared, server.service.model_names), page=True) as site:
        yield site


@pytest.fixture(scope="session")
def keyed_site(server: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """The same for who has the key "open"."""
    shared = shared_model(server)
    with served(Service(lambda: shared, server.service.model_names), Access(digests(["open"])), page=True) as site:
        yield site


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Debian's Chromium, whatever it is called on the path."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    from playwright.sync_api import sync_playwright

    assert path, "no Chromium on the path; on Debian: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def faults() -> list[str]:
    """What the console says is wrong; what a test wants there it takes away."""
    return []


@pytest.fixture
def page(
    browser: "Browser", site: SimpleNamespace, request: pytest.FixtureRequest, faults: list[str]
) -> "Iterator[Page]":
    """A fresh visit, once the page knows its model; afterwards the console must be empty."""
    context = browser.new_context(viewport={"width": 1200, "height": 800}, base_url=site.url)
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    visit(page)
    yield page
    if folder := os.environ.get("JAXCHAT_SCREENSHOTS"):
        page.screenshot(path=Path(folder, f"{request.node.name}.png"))
    context.close()
    assert not faults


def visit(page: "Page") -> None:
    """Opens the page and waits until it knows its model."""
    page.goto("/")
    page.wait_for_selector("#model option", state="attached")
    page.wait_for_selector("#parameters input", state="attached")


@pytest.fixture
def answer(page: "Page") -> Answer:
    """Has the next requests answered by chunks of these deltas, `finish` at the end; collects them in `.bodies`."""
    bodies: list[dict[str, Any]] = []

    def answer(*deltas: dict[str, Any], finish: str = "stop", headers: dict[str, str] | None = None) -> None:
        choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
        events = [f"data: {json.dumps({'choices': [choice]})}\n\n" for choice in choices]

        def fulfil(route: "Route") -> None:
            bodies.append(json.loads(route.request.post_data or ""))
            body = "".join([": ping\n\n", *events, "data: [DONE]\n\n"])
            route.fulfill(headers={"content-type": "text/event-stream", **(headers or {})}, body=body)

        page.unroute("**/v1/chat/completions")
        page.route("**/v1/chat/completions", fulfil)

    answer.bodies = bodies  # type: ignore[attr-defined]
    return answer


def ask(page: "Page", text: str) -> None:
    """Sends a message and waits for the end of its answer."""
    page.fill("#prompt", text)
    page.press("#prompt", "Enter")
    page.wait_for_selector(".turn.assistant:last-child footer")


def open_settings(page: "Page", section: str | None = None) -> None:
    """Shows the settings, with one of their sections open."""
    if page.locator("#settings").is_hidden():
        page.click("#show-settings")
    if section and not page.locator(f"details[open] > summary:text-is('{section}')").count():
        page.click(f"summary:text-is('{section}')")
