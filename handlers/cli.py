"""The command line: `jaxchat serve`."""

import logging
from pathlib import Path

import uvicorn
from pydantic_settings import BaseSettings, CliApp, CliSubCommand, SettingsConfigDict
from rich.console import Console
from rich.logging import RichHandler

from handlers.app import create_app
from handlers.service import Loaded, Service
from handlers.settings import FURTHER_SPELLINGS, ServeSettings

GRACE_SECONDS = 30


class Serve(ServeSettings):
    __doc__ = ServeSettings.__doc__

    def cli_cmd(self) -> None:
        """Serve until interrupted."""
        set_up_logging(self.log_level)
        app = create_app(Service(lambda: load(self), model_names(self.model)))
        uvicorn.run(
            app,
            host=self.host,
            port=self.port,
            log_config=None,
            log_level=self.log_level,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )


class Jaxchat(BaseSettings):
    """An open chat-completions server: the Friendli Container API on JAX."""

    model_config = SettingsConfigDict(cli_prog_name="jaxchat", cli_kebab_case=True, cli_shortcuts=FURTHER_SPELLINGS)

    serve: CliSubCommand[Serve]

    def cli_cmd(self) -> None:
        """Run the sub-command."""
        CliApp.run_subcommand(self)


def main() -> None:
    """Entry point of the console script."""
    CliApp.run(Jaxchat)


def load(settings: ServeSettings) -> Loaded:
    """The engine and the tokenizer that the settings ask for. Raises CheckpointError, ValueError."""
    # Importing these takes seconds, during which the port already answers.
    from backend.load import LoadOptions, load_engine, resolve_folder
    from handlers.tokenizer import ChatTokenizer

    options = LoadOptions(
        model=settings.model,
        revision=settings.revision,
        rows=settings.max_batch_size,
        context=settings.max_context_length,
        dtype=None if settings.dtype == "auto" else settings.dtype,
        max_queue=settings.max_queue,
        compilation_cache=settings.compilation_cache.expanduser(),
    )
    folder = resolve_folder(options)
    return Loaded(tokenizer=ChatTokenizer(folder), engine=load_engine(options, folder))


def model_names(model: str) -> list[str]:
    """The names under which requests may ask for the model: as it was given, and for a folder its last part."""
    return list(dict.fromkeys([model, Path(model).name]))


def set_up_logging(level: str) -> None:
    """One line per event on standard error, for the server's own log and uvicorn's."""
    handler = RichHandler(console=Console(stderr=True), show_path=False, log_time_format="%H:%M:%S")
    logging.basicConfig(level=level.upper(), format="%(message)s", handlers=[handler])
