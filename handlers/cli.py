"""The command line: `jaxchat serve`."""

import logging
import resource
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliApp, CliSubCommand, SettingsConfigDict

from handlers.app import create_app
from handlers.metrics import serve_metrics
from handlers.server import Server, exit_at_once, listen, url
from handlers.service import LoadedModel, Service
from handlers.settings import ServeSettings
from handlers.text.chat_templates import read_chat_template

logger = logging.getLogger(__name__)
MOST_CONNECTIONS = 65536


class Serve(ServeSettings):
    __doc__ = ServeSettings.__doc__

    def cli_cmd(self) -> None:
        """Serve until interrupted."""
        set_up_logging(self.log_level)
        allow_many_connections()
        service = Service(lambda: load_or_stop(self, server), model_names(self.model), self.request_timeout)
        server = Server(create_app(service), service, self.drain_timeout)
        with open_ports(self, service) as listener:
            server.run(sockets=[listener])
        status = 0 if service.reason is None else 1
        if service.loading:
            exit_at_once(status)
        sys.exit(status)


@contextmanager
def open_ports(settings: ServeSettings, service: Service) -> Iterator[socket.socket]:
    """The socket of the API; beside it metrics are served, if they are. A port that is taken ends the process."""
    host = settings.host
    with ExitStack() as stack:
        with port_error("port", host, settings.port):
            listener = stack.enter_context(listen(host, settings.port))
        logger.info("API: %s", url(host, listener.getsockname()[1]))
        if settings.metrics:
            with port_error("metrics-port", host, settings.metrics_port):
                metrics = serve_metrics(service, host, settings.metrics_port)
            stack.callback(metrics.close)
            logger.info("metrics: %s/metrics", url(host, metrics.port))
        yield listener


@contextmanager
def port_error(flag: str, host: str, port: int) -> Iterator[None]:
    """Ends the process with a line that names the flag where the port cannot be had."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        sys.exit(f"jaxchat: error: --{flag}: cannot listen on {host} port {port}: {reason}; give another --{flag}")


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


def load_or_stop(settings: ServeSettings, server: Server) -> LoadedModel:
    """`load`; a server that cannot load its model stops."""
    try:
        return load(settings)
    except Exception:
        server.should_exit = True
        raise


def load(settings: ServeSettings) -> LoadedModel:
    """The engine and the tokenizer that the settings ask for. Raises CheckpointError, ValueError."""
    # Importing these takes seconds, during which the port already answers.
    from backend import LoadOptions, load_engine, resolve_checkpoint
    from backend.grammar import Compiler
    from handlers.text.tokenizer import ChatTokenizer

    options = LoadOptions(
        model=settings.model,
        revision=settings.revision,
        rows=settings.max_batch_size,
        context=settings.max_context_length,
        dtype=None if settings.dtype == "auto" else settings.dtype,
        quantization=settings.quantization,
        max_queue=settings.max_queue,
        compilation_cache=settings.compilation_cache.expanduser(),
        memory_fraction=settings.memory_fraction,
        kv_cache_tokens=settings.kv_cache_tokens,
        kv_cache_dtype=settings.kv_cache_dtype,
        deterministic=settings.deterministic,
    )
    path = resolve_checkpoint(options)
    template = None if settings.chat_template is None else read_chat_template(settings.chat_template)
    tokenizer = ChatTokenizer(path, template, settings.tool_format, settings.reasoning_format)
    format = tokenizer.format
    logger.info("chat template: %s", settings.chat_template or "the checkpoint's own")
    if tokenizer.tools_as_text:
        logger.info("tools: the template has no place for %s, so they are text", ", ".join(tokenizer.tools_as_text))
    logger.info("answers: tool calls as %s, reasoning as %s", format.tool_name, format.reasoning_name)
    compiler = Compiler(settings.grammar_cache.expanduser())
    try:
        engine = load_engine(options, path, tokenizer.vocabulary())
        compiler.warm()
    except BaseException:
        compiler.close()
        raise
    return LoadedModel(engine, tokenizer, compiler, format, settings.parse_reasoning)


def allow_many_connections() -> None:
    """As many open files as the system lets this process have: each connection is one, and often 1024 are the start."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, MOST_CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def model_names(model: str) -> list[str]:
    """The names under which requests may ask for the model: as it was given, and for a folder its last part."""
    return list(dict.fromkeys([model, Path(model).name]))


def set_up_logging(level: str) -> None:
    """One line per event on standard error, for the server's own log and uvicorn's, without what says nothing."""
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("jax").setLevel(logging.WARNING)  # lists the platforms that it did not find
    drop("transformers", "PyTorch was not found")
    drop("uvicorn.access", '"GET /health')
    # About any query parameter that is named as an argument of the handler: whoever asks could fill the log.
    drop("connexion.decorators.parameter", "not defined in specification")
    if level == "info":
        for name in ("connexion", "uvicorn.error"):  # their steps of starting and stopping
            logging.getLogger(name).setLevel(logging.WARNING)


def drop(logger: str, text: str) -> None:
    """Keep messages that contain `text` out of a logger."""
    logging.getLogger(logger).addFilter(lambda record: text not in record.getMessage())
