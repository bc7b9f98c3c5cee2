"""The import rules of the folders (pyproject.toml, [tool.importlinter]) hold."""

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports


def test_folders_import_only_what_they_may() -> None:
    assert lint_imports() == EXIT_STATUS_SUCCESS
