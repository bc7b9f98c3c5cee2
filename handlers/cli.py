"""The command line: `jaxchat serve`."""

import logging
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn
from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliApp, CliSubCommand, SettingsConfigDict

from handlers.app import create_app
from handlers.service import Loaded, Service
from handlers.settings import ServeSettings

GRACE_SECONDS = 30


class Serve(ServeSettings):
    __doc__ = ServeSettings.__doc__

    def cli_cmd(self) -> None:
        """Serve until interrupted."""
        set_up_logging(self.log_level)
        service = Service(lambda: load_or_stop(self, server), model_names(self.model))
        config = uvicorn.Config(
            create_app(service),
            host=self.host,
            port=self.port,
            log_config=None,
            log_level=self.log_level,
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):  # uvicorn has closed everything by then, and raises it for others to see
            server.run()
        if service.reason is not None:
            sys.exit(1)


class Jaxchat(BaseSettings):
    """An open chat-completions server: the Friendli Container API on JAX."""

    model_config = SettingsConfigDict(cli_prog_name="jaxchat", cli_kebab_case=True)

    serve: CliSubCommand[Serve]

    def cli_cmd(self) -> None:
        """Run the sub-command."""
        CliApp.run_subcommand(self)


def main() -> None:
    """Entry point of the console script; a wrong setting ends it with exit status 2 and a line that names it."""
    try:
        CliApp.run(Jaxchat)
    except ValidationError as error:
        faults = [f"--{str(fault['loc'][-1]).replace('_', '-')}: {fault['msg']}" for fault in error.errors()]
        sys.exit(usage_error("; ".join(faults)))


def usage_error(message: str) -> int:
    """Say what is wrong as argparse does; gives its exit status."""
    print(f"jaxchat: error: {message}; see jaxchat serve --help", file=sys.stderr)
    return 2


def load_or_stop(settings: ServeSettings, server: uvicorn.Server) -> Loaded:
    """`load`; a server that cannot load its model stops."""
    try:
        return load(settings)
    except Exception:
        server.should_exit = True
        raise


def load(settings: ServeSettings) -> Loaded:
    """The engine and the tokenizer that the settings ask for. Raises CheckpointError, ValueError."""
    # Importing these takes seconds, during which the port already answers.
    from backend.grammar.compiler import Compiler
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
    tokenizer = ChatTokenizer(folder)
    compiler = Compiler(settings.grammar_cache.expanduser())
    try:
        engine = load_engine(options, folder, tokenizer.vocabulary())
        compiler.warm()
    except BaseException:
        compiler.close()
        raise
    return Loaded(engine, tokenizer, compiler)


def model_names(model: str) -> list[str]:
    """The names under which requests may ask for the model: as it was given, and for a folder its last part."""
    return list(dict.fromkeys([model, Path(model).name]))


def set_up_logging(level: str) -> None:
    """One line per event on standard error, for the server's own log and uvicorn's, without what says nothing."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("jax").setLevel(logging.WARNING)  # lists the platforms that it did not find
    drop("transformers", "PyTorch was not found")
    drop("uvicorn.access", '"GET /health')


def drop(logger: str, text: str) -> None:
    """Keep messages that contain `text` out of a logger."""
    logging.getLogger(logger).addFilter(lambda record: text not in record.getMessage())
