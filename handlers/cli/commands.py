"""`jaxchat`: its commands, and how a wrong setting is told.

What runs a command is imported once it is asked for: `jaxchat --help` is there at once.
"""

import os
import re
import sys

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, CliApp, CliSubCommand, SettingsConfigDict

from handlers.cli.settings import BenchSettings, ChatSettings, DoctorSettings, ModelsSettings
from handlers.settings import ServeSettings

_FIELD = re.compile(r"\b[a-z]+(_[a-z]+)+\b|^[a-z]+(?=: )")
"""Names of settings in what is said of several together."""


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
        command = str(error.errors()[0]["loc"][0])
        print(f"jaxchat: error: {'; '.join(_faults(error))}; see jaxchat {command} --help", file=sys.stderr)
        sys.exit(2)


def _faults(error: ValidationError) -> list[str]:
    """What is wrong with each flag; of one that may be several things, all that it is not."""
    faults: dict[str, list[str]] = {}
    for fault in error.errors():
        _, *field = fault["loc"]
        message = fault["msg"].removeprefix("Value error, ")
        if field:
            faults.setdefault(_flag(str(field[0])), []).append(message)
        else:  # of settings together, which it names
            faults[_FIELD.sub(lambda name: _flag(name[0]), message)] = []
    return [f"{flag}: {' or '.join(messages)}" if messages else flag for flag, messages in faults.items()]


def _flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"
