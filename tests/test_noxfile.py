"""Each test that the plain suite leaves out is run by one session of noxfile.py; CONTRIBUTING.md names all sessions."""

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
NOXFILE = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETTINGS = PROJECT["tool"]["pytest"]["ini_options"]
MARKERS = SETTINGS["addopts"][-1].removeprefix("not (").removesuffix(")").split(" or ")
"""Those that the plain suite leaves out."""


@dataclass(frozen=True)
class Run:
    """A call of pytest in a function of the noxfile. marker: what follows -m. places: beginnings of paths."""

    function: str
    marker: str
    places: tuple[str, ...]

    def has(self, path: str, marker: str) -> bool:
        """Whether it runs the tests of that file which are marked so."""
        return self.marker in ("", marker) and path.startswith(self.places)


def runs() -> Iterator[Run]:
    """Those with one marker; with two it is a part of what another session runs."""
    for function in (node for node in NOXFILE.body if isinstance(node, ast.FunctionDef)):
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            words = [word.value if isinstance(word, ast.Constant) else None for word in call.args]
            if words[:2] == ["pytest", "-m"] and " and " not in words[2]:
                texts = (node.value for node in ast.walk(function) if isinstance(node, ast.Constant))
                places = tuple(text for text in texts if isinstance(text, str) and text.startswith("tests/"))
                yield Run(function.name, words[2], places)


def session_names() -> Iterator[str]:
    """As `nox -s` takes them."""
    for function in (node for node in NOXFILE.body if isinstance(node, ast.FunctionDef)):
        for decorator in function.decorator_list:
            call = decorator if isinstance(decorator, ast.Call) else None
            if ast.unparse(call.func if call else decorator) == "nox.session":
                given = {word.arg: ast.literal_eval(word.value) for word in call.keywords} if call else {}
                yield given.get("name", function.name)


def marked() -> Iterator[tuple[str, str]]:
    """Files of tests, each with every marker of ours that is used in it, or "" where there is none."""
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        used = {
            node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pytest.mark"
        }
        yield from ((file.relative_to(ROOT).as_posix(), marker) for marker in sorted(used & set(MARKERS)) or [""])


RUNS, SESSIONS, FILES = list(runs()), list(session_names()), list(marked())


def test_what_the_plain_suite_leaves_out_is_told_with_the_session_that_runs_it() -> None:
    told = [marker.partition(":")[0] for marker in SETTINGS["markers"] if "run by `nox -s " in marker]
    assert sorted(told) == sorted(MARKERS)


@pytest.mark.parametrize(("path", "marker"), [(path, marker) for path, marker in FILES if marker])
def test_what_is_marked_is_run_by_one_session(path: str, marker: str) -> None:
    assert len([run.function for run in RUNS if run.has(path, marker)]) == 1


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.function)
def test_a_session_has_tests_in_every_place(run: Run) -> None:
    assert run.places
    for place in run.places:
        assert any(path.startswith(place) and run.marker in ("", marker) for path, marker in FILES), place


def client_groups() -> dict[str, tuple[str, ...]]:
    """The libraries of each group of the session `clients`."""
    assigned = {ast.unparse(node.targets[0]): node.value for node in NOXFILE.body if isinstance(node, ast.Assign)}
    return ast.literal_eval(assigned["CLIENTS"])


CLIENTS, INSTALLED = client_groups(), packages_distributions()


def test_every_client_is_in_one_group() -> None:
    clients = [client for group in CLIENTS.values() for client in group]
    assert sorted(clients) == sorted(file.stem.removeprefix("test_") for file in ROOT.glob("tests/clients/test_*.py"))


@cache
def imports(module: str) -> frozenset[str]:
    """The names of what a module of ours imports, by others of ours too; its own where it is none of ours."""
    path = ROOT.joinpath(*module.split("."))
    file = next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
    if file is None:
        return frozenset() if path.is_dir() else frozenset({module.partition(".")[0]})
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {node.module} | {
                name for name in submodules if ROOT.joinpath(*name.split(".")).with_suffix(".py").is_file()
            }
    return frozenset().union(*map(imports, names))


def named(*requirements: str) -> set[str]:
    """The names of the packages."""
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements}


@pytest.mark.parametrize("group", CLIENTS)
def test_a_group_of_clients_installs_what_its_tests_import(group: str) -> None:
    groups, extras = PROJECT["dependency-groups"], PROJECT["project"]["optional-dependencies"]
    optional = named(*(each for listed in (*groups.values(), *extras.values()) for each in listed))
    own = named(*PROJECT["project"]["dependencies"], *groups["clients"], *groups.get(f"clients-{group}", []))
    found = imports("tests.clients.conftest").union(*(imports(f"tests.clients.test_{name}") for name in CLIENTS[group]))
    packages = {canonicalize_name(name) for each in found for name in INSTALLED.get(each, [])}
    assert packages & (optional - own) == set()


@pytest.mark.parametrize("name", SESSIONS)
def test_every_session_is_told_of(name: str) -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert re.search(rf"`(nox -s )?{re.escape(name)}[` ]", table)
