"""How long, how many and how exact: `pytest -m slow tests/load --minutes 0.5 --clients 30`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("load")
    group.addoption("--minutes", type=float, default=10.0, help="how long the clients ask")
    group.addoption("--clients", type=int, default=200, help="how many ask at the same time")
    group.addoption("--bodies", type=int, default=150, help="how many different requests have a known answer")
    group.addoption("--attackers", type=int, default=2, help="how many attack meanwhile, see tests/attack; 0 for none")
    group.addoption("--rounding", action="store_true", help="serve without --deterministic; answers may then round")
