"""The command line: `jaxchat serve`."""

import logging
import os

import uvicorn
from pydantic_settings import BaseSettings, CliApp, CliSubCommand, get_subcommand
from rich.logging import RichHandler

from handlers.app import create_app
from handlers.service import Loaded, Service
from handlers.settings import ServeSettings

GRACE_SECONDS = 30


class Serve(ServeSettings):
    __doc__ = ServeSettings.__doc__

    def cli_cmd(self) -> None:
        """Run until interrupted."""
        set_up_logging(self.log_level)
        app = create_app(Service(lambda: load(self), model_names(self.model)))
        uvicorn.run(
            app, host=self.host, port=self.port, log_config=None, log_level=self.log_level,
            timeout_graceful_shutdown=GRACE_SECONDS, server_header=False,
        )  # fmt: skip


class Jaxchat(BaseSettings, cli_kebab_case=True, cli_prog_name="jaxchat"):
    """An open chat-completions server: the Friendli Container API on JAX."""

    serve: CliSubCommand[Serve]

    def cli_cmd(self) -> None:
        """Run the sub-command."""
        CliApp.run_subcommand(self)


def main() -> None:
    """Entry point of the console script."""
    CliApp.run(Jaxchat)
