"""What the pages of docs/ name is there: tests, flags, and the files and headings that they link to."""

import ast
import re
from pathlib import Path

import pytest

from handlers.settings import ServeSettings

ROOT = Path(__file__).parents[1]
PAGES = sorted(ROOT.glob("docs/*.md"))
ALL_PAGES = [*PAGES, *sorted(ROOT.glob("*.md"))]
FOR_USERS = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in (
    "api", "media", "models", "operation", "structured-output", "tools"
))]  # fmt: skip


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """Names of all test functions and modules."""
    files = [*(ROOT / "tests").rglob("*.py")]
    trees = (ast.walk(ast.parse(file.read_text(encoding="utf-8"))) for file in files)
    functions = {
        node.name for tree in trees for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return functions | {file.stem for file in files}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path, tests: set[str]) -> None:
    named = set(re.findall(r"\btest_\w+", page.read_text(encoding="utf-8")))
    assert named - tests == set()


def test_every_decision_names_its_tests() -> None:
    decisions = re.split(r"^\*\*\d+\. ", (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8"), flags=re.M)[1:]
    assert len(decisions) == 27
    assert [decision[:40] for decision in decisions if "`test_" not in decision] == []


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    lost = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        there = (page.parent / target if target else page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", there, re.MULTILINE)
        if anchor not in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}:
            lost.append(f"{target}#{anchor}")
    assert lost == []


@pytest.mark.parametrize("page", FOR_USERS, ids=lambda page: page.name)
def test_every_flag_that_is_named_is_one_of_the_server(page: Path) -> None:
    settings = {name.replace("_", "-") for name in ServeSettings.model_fields} | {"help"}
    named = set(re.findall(r"`(?:jaxchat serve )?--(?:no-)?([a-z][a-z-]+)", page.read_text(encoding="utf-8")))
    assert named - settings == set()
