"""The import rules of the folders (pyproject.toml, [tool.importlinter]) hold."""

import logging

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports


def test_folders_import_only_what_they_may() -> None:
    loggers = [found for found in logging.root.manager.loggerDict.values() if isinstance(found, logging.Logger)]
    try:
        assert lint_imports() == EXIT_STATUS_SUCCESS
    finally:
        for logger in loggers:  # the linter sets up logging of its own, which silences all that there are
            logger.disabled = False
