"""What the tests of the command line share."""

import sys
from collections.abc import Callable

import pytest

from handlers.cli import main
from handlers.cli.commands import Serve
from handlers.settings import ServeSettings


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ServeSettings]:
    """Runs the command line with the given words; gives the settings that it would serve with."""
    seen: list[ServeSettings] = []
    monkeypatch.setattr(Serve, "cli_cmd", seen.append)

    def run(*words: str) -> ServeSettings:
        monkeypatch.setattr(sys, "argv", ["jaxchat", *words])
        main()
        return seen.pop()

    return run
