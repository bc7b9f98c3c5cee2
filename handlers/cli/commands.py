"""`jaxchat`: its commands, and how a wrong setting is told.

What runs a command is imported once it is asked for: `jaxchat --help` is there at once.
"""

import os
import sys

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, CliApp, CliSubCommand, SettingsConfigDict

from handlers.cli.settings import BenchSettings, ChatSettings, DoctorSettings, ModelsSettings
from handlers.settings import ServeSettings


class Serve(ServeSettings):
    __doc__ = ServeSettings.__doc__

    def cli_cmd(self) -> None:
        """Serve until interrupted."""
        from handlers.cli.serve import serve

        serve(self)


class Chat(ChatSettings):
    __doc__ = ChatSettings.__doc__

    def cli_cmd(self) -> None:
        """Talk until the user ends it."""
        from handlers.cli.chat import chat

        chat(self)


class Bench(BenchSettings):
    __doc__ = BenchSettings.__doc__

    def cli_cmd(self) -> None:
        """Measure and print a line."""
        from handlers.cli.bench import bench

        bench(self)


class Models(ModelsSettings):
    __doc__ = ModelsSettings.__doc__

    def cli_cmd(self) -> None:
        """Print the list."""
        from handlers.cli.models import models

        models(self)


class Doctor(DoctorSettings):
    __doc__ = DoctorSettings.__doc__

    def cli_cmd(self) -> None:
        """Print what is there and what is wrong."""
        from handlers.cli.doctor import doctor

        doctor(self)


class Jaxchat(BaseSettings):
    """An open chat-completions server: the Friendli Container API on JAX."""

    model_config = SettingsConfigDict(cli_prog_name="jaxchat", cli_kebab_case=True, cli_hide_none_type=True)

    serve: CliSubCommand[Serve] = Field(description="serve a model on the chat completions API")
    chat: CliSubCommand[Chat] = Field(description="talk to a model in the terminal, or through a pipe")
    models: CliSubCommand[Models] = Field(description="list the models that this machine has")
    bench: CliSubCommand[Bench] = Field(description="measure how fast a model is on this machine")
    doctor: CliSubCommand[Doctor] = Field(description="say what would be served here, and what is wrong")

    def cli_cmd(self) -> None:
        """Run the sub-command."""
        CliApp.run_subcommand(self)


def main() -> None:
    """Entry point of the console script; a wrong setting ends it with exit status 2 and a line that names it."""
    # Else transformers says at each import, in every process, that there is no PyTorch, of which nothing is needed.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    try:
        CliApp.run(Jaxchat)
    except ValidationError as error:
        faults = [f"--{str(fault['loc'][-1]).replace('_', '-')}: {fault['msg']}" for fault in error.errors()]
        sys.exit(usage_error("; ".join(faults)))


def usage_error(message: str) -> int:
    """Say what is wrong as argparse does; gives its exit status."""
    print(f"jaxchat: error: {message}; see jaxchat serve --help", file=sys.stderr)
    return 2
