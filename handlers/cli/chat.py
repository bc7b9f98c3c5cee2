"""`jaxchat chat`: a conversation in the terminal, or in a pipe."""

import re
import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing, suppress
from typing import Any

from rich.console import Console

from handlers.cli.client import ChatClient, ClientError, Piece
from handlers.cli.local import LoadFailed, local_server
from handlers.cli.logs import set_up_logging
from handlers.cli.settings import ChatSettings
from handlers.server import exit_at_once

HELP = """\
/system TEXT  tell the model who it is; without TEXT, nothing any more
/reset        begin a new conversation; what /system said stays
/help         this
/quit         end; so does Ctrl-D
Ctrl-C stops an answer. A message that begins with / needs a blank before it."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters of an answer that a terminal would act on."""
INTERRUPTED = 130


def chat(settings: ChatSettings) -> None:
    """Talks until the user or the pipe ends; ends the process, with status 1 where the server failed."""
    set_up_logging(settings.log_level)
    try:
        status = run(settings)
    except KeyboardInterrupt:
        status = INTERRUPTED
    exit_at_once(status)


def run(settings: ChatSettings) -> int:
    """The conversation; gives the exit status."""
    errors = Console(stderr=True, highlight=False)
    with ExitStack() as stack:
        try:
            address = settings.url or stack.enter_context(local_server(settings))
            client = stack.enter_context(ChatClient(address, local=settings.url is None))
            conversation = Conversation(client, _asked(settings, client.model()), settings.system)
            if sys.stdin.isatty():
                talk(conversation, Console(highlight=False))
            else:
                answer_lines(conversation, sys.stdin)
        except ClientError as error:
            errors.out(f"jaxchat: error: {error}")
            return 1
        except (LoadFailed, BrokenPipeError):  # the log has told why; whoever read the answers wants no more
            return 1
    return 0


def _asked(settings: ChatSettings, model: str) -> dict[str, Any]:
    """What every request says beside its messages."""
    chosen = {"temperature": settings.temperature, "max_tokens": settings.max_tokens}
    given = {name: value for name, value in chosen.items() if value is not None}
    return {"model": model, "parse_reasoning": True, **given}


class Quit(Exception):
    """The user wants no more."""


class Conversation:
    """What was said, and what is asked for with it.

    asked: what every request says beside its messages, such as the model. system: the first message.
    """

    def __init__(self, client: ChatClient, asked: dict[str, Any], system: str | None = None) -> None:
        self.asked, self.system = asked, system
        self.messages: list[dict[str, Any]] = []
        self._client = client

    def ask(self, text: str) -> Generator[Piece, None, None]:
        """The answer to a message, piece by piece. What was said of it is remembered, also where it was stopped.

        A message that got no answer at all is forgotten. Raises ClientError.
        """
        self.messages.append({"role": "user", "content": text})
        first = [{"role": "system", "content": self.system}] if self.system else []
        body = {**self.asked, "messages": [*first, *self.messages]}
        said = ""
        try:
            with closing(self._client.stream(body)) as pieces:
                for piece in pieces:
                    said += piece.text if piece.kind == "content" else ""
                    yield piece
        finally:
            if said:
                self.messages.append({"role": "assistant", "content": said})
            else:
                self.messages.pop()

    def command(self, line: str) -> str | None:
        """Does what a line says that begins with a known command; gives what to tell, None where it is a message.

        Raises Quit.
        """
        name, _, rest = line.partition(" ")
        commands: dict[str, Callable[[str], str]] = {
            "/system": self._set_system,
            "/reset": self._reset,
            "/help": lambda _: HELP,
            "/quit": self._quit,
        }
        return commands[name](rest.strip()) if name in commands else None

    def _set_system(self, text: str) -> str:
        self.system = text or None
        return "the model is told this first" if text else "the model is told nothing first"

    def _reset(self, _: str) -> str:
        self.messages.clear()
        return "a new conversation"

    def _quit(self, _: str) -> str:
        raise Quit


def talk(conversation: Conversation, console: Console) -> None:
    """A conversation with somebody at a terminal, until it is ended there."""
    with suppress(ImportError):
        import readline  # noqa: F401  # input() then has a history, and keys that edit

    console.out(f"{conversation.asked['model']}: /help lists what can be done, Ctrl-D ends", style="dim")
    with suppress(Quit, EOFError):
        while True:
            try:
                line = input("> ")
            except KeyboardInterrupt:
                console.out("\nCtrl-D or /quit ends", style="dim")
                continue
            told = conversation.command(line.rstrip())
            if told is None and line.startswith("/"):
                told = f"there is no {line.split()[0]}; /help lists what there is"
            if told is not None:
                console.out(told, style="dim")
            elif line.strip():
                show(conversation, line.strip(), console)


def show(conversation: Conversation, text: str, console: Console) -> None:
    """One answer, while it is written; reasoning is dimmed. Ctrl-C stops it."""
    kind = "content"
    try:
        with closing(conversation.ask(text)) as pieces:
            for piece in pieces:
                if piece.kind == "end":
                    note = (
                        "\n(cut off by --max-tokens or a full context; /reset begins anew)"
                        if piece.text == "length"
                        else ""
                    )
                    console.out(note, style="dim")
                    continue
                between = "\n\n" if (kind, piece.kind) == ("reasoning", "content") else ""
                kind = piece.kind
                style = "dim" if kind == "reasoning" else None
                console.out(between + CONTROL.sub("", piece.text), end="", style=style)
    except KeyboardInterrupt:
        console.out("\n(stopped)", style="dim")
    except ClientError as error:
        console.out(f"\n{error}", style="red")


def answer_lines(conversation: Conversation, lines: Iterable[str]) -> None:
    """A conversation with a pipe: a message per line in, its answer as a line out. Commands are silent.

    Line breaks inside an answer become blanks. Raises ClientError.
    """
    with suppress(Quit):
        for line in lines:
            if line.strip() and conversation.command(line.strip()) is None:
                answer = "".join(piece.text for piece in conversation.ask(line.strip()) if piece.kind == "content")
                print(" ".join(answer.split()), flush=True)
