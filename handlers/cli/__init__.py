"""The command line: `jaxchat COMMAND`, a module per command."""

from handlers.cli.commands import main

__all__ = ["main"]
