"""A conversation at a terminal and in a pipe: what is said, what is remembered, and how it is stopped."""

import io
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from handlers.cli import chat as module
from handlers.cli.chat import Conversation, Quit, answer_lines, run, show, talk
from handlers.cli.client import ClientError, Piece
from handlers.cli.settings import ChatSettings
from handlers.loaded import LoadedModel

ROOT = Path(__file__).parents[3]


class Client:
    """Answers with these pieces; an exception among them is raised."""

    def __init__(self, *pieces):
        self.pieces, self.bodies, self.closed = pieces, [], 0

    def stream(self, body):
        self.bodies.append(body)
        try:
            for piece in self.pieces:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            self.closed += 1


ASKED = {"model": "tiny", "temperature": 0.5}
HELLO = (Piece("content", "Hel"), Piece("content", "lo.\nYou?"), Piece("end", "stop"))


@pytest.fixture
def screen():
    return Console(file=io.StringIO(), highlight=False)


def shown(console):
    return console.file.getvalue()


def typed(monkeypatch, *lines):
    """What somebody types; an exception is a key such as Ctrl-C, and Ctrl-D comes at the end."""
    rest = iter(lines)

    def answer(prompt):
        line = next(rest, EOFError())
        if isinstance(line, str):
            return line
        raise line

    monkeypatch.setattr("builtins.input", answer)


def test_everything_said_is_sent_with_the_next_message(screen):
    client = Client(*HELLO)
    conversation = Conversation(client, ASKED, "Be kind.")
    show(conversation, "Hi", screen)
    show(conversation, "And?", screen)
    assert client.bodies[1]["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello.\nYou?"},
        {"role": "user", "content": "And?"},
    ]
    assert client.bodies[1] | ASKED == client.bodies[1]
    assert shown(screen) == "Hello.\nYou?\n" * 2


def test_an_answer_that_is_stopped_is_remembered_as_far_as_it_came(screen):
    client = Client(HELLO[0], KeyboardInterrupt())
    conversation = Conversation(client, ASKED)
    show(conversation, "Hi", screen)
    assert "Hel\n(stopped)" in shown(screen) and client.closed == 1
    assert conversation.messages[-1] == {"role": "assistant", "content": "Hel"}


def test_a_message_without_an_answer_is_forgotten(screen):
    conversation = Conversation(Client(ClientError("the prompt is too long")), ASKED)
    show(conversation, "Hi", screen)
    assert conversation.messages == [] and "the prompt is too long" in shown(screen)


def test_reasoning_is_dimmed_shown_apart_and_not_sent_again():
    screen = Console(file=io.StringIO(), force_terminal=True, color_system="standard", highlight=False)
    client = Client(Piece("reasoning", "Hm."), *HELLO)
    conversation = Conversation(client, ASKED)
    show(conversation, "Hi", screen)
    assert "\x1b[2mHm.\x1b[0m\n\nHel" in shown(screen)
    assert conversation.messages[-1]["content"] == "Hello.\nYou?"


def test_what_a_terminal_would_act_on_is_not_shown(screen):
    show(Conversation(Client(Piece("content", "a\x1b]0;x\x07\r\x9bb [bold]c"), HELLO[-1]), ASKED), "Hi", screen)
    assert shown(screen) == "a]0;xb [bold]c\n"


def test_a_full_context_says_what_to_do(screen):
    show(Conversation(Client(HELLO[0], Piece("end", "length")), ASKED), "Hi", screen)
    assert "/reset begins anew" in shown(screen)


def test_commands(monkeypatch, screen):
    client = Client(*HELLO)
    conversation = Conversation(client, ASKED)
    typed(
        monkeypatch, "Hi", "/reset", "/system  You are a cat. ", "Who?", "/system", "", "  ", "What?", "/nonsense now",
        " /etc/hosts is what?", "/help", KeyboardInterrupt(), "/quit", "never",
    )  # fmt: skip
    talk(conversation, screen)
    contents = [[(m["role"][0], m["content"]) for m in body["messages"]] for body in client.bodies]
    answer = ("a", "Hello.\nYou?")
    assert contents == [
        [("u", "Hi")],
        [("s", "You are a cat."), ("u", "Who?")],
        [("u", "Who?"), answer, ("u", "What?")],
        [("u", "Who?"), answer, ("u", "What?"), answer, ("u", "/etc/hosts is what?")],
    ]
    assert "there is no /nonsense" in shown(screen) and module.HELP in shown(screen)
    assert "Ctrl-D or /quit ends" in shown(screen)


def test_help_names_every_command():
    conversation = Conversation(Client(), ASKED)
    for name in ("/system", "/reset", "/help"):
        assert name in module.HELP and conversation.command(name) is not None
    with pytest.raises(Quit):
        conversation.command("/quit")
    assert conversation.command("/unknown") is conversation.command("Hi") is None


def test_the_end_of_the_terminal_ends_it(monkeypatch, screen):
    typed(monkeypatch)
    talk(Conversation(Client(), ASKED), screen)


def test_in_a_pipe_each_message_is_a_line_and_each_answer_too(capsys):
    client = Client(Piece("reasoning", "Hm."), *HELLO)
    answer_lines(Conversation(client, ASKED), ["Hi\n", "\n", "/reset\n", "/unknown\n", "/quit\n", "never\n"])
    assert capsys.readouterr().out == "Hello. You?\n" * 2
    assert [body["messages"][-1]["content"] for body in client.bodies] == ["Hi", "/unknown"]
    assert len(client.bodies[1]["messages"]) == 1


def test_a_pipe_to_a_server_that_is_not_there_fails_with_status_1(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("Hi\n"))
    assert run(ChatSettings(url="http://127.0.0.1:1")) == 1
    assert "no server answers at http://127.0.0.1:1" in capsys.readouterr().err


def test_a_pipe_to_a_server(monkeypatch, capsys, fakes):
    monkeypatch.setattr("sys.stdin", io.StringIO("Hi\nBye\n"))
    monkeypatch.setattr("handlers.generation.sampling.secrets.randbelow", lambda n: 0)
    with fakes.served() as server:
        assert run(ChatSettings(url=server.url, system="Be kind.")) == 0
    assert capsys.readouterr().out == f"{fakes.REPLIES[0]}\n" * 2


def test_whoever_reads_the_answers_may_leave(fakes):
    """As `jaxchat chat | head -1` does."""
    with fakes.served() as server:
        words = command("--url", server.url)
        process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
        )
        process.stdout.close()
        _, said = process.communicate(b"Hi\nBye\n", timeout=60)
    assert process.returncode == 1 and said == b""


def command(*words):
    return [sys.executable, "-c", "from handlers.cli import main; main()", "chat", *words]


def read_until(terminal, text, seconds=60):
    """What the process shows, until it has shown `text`."""
    seen, end = b"", time.monotonic() + seconds
    while text not in seen:
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 4096)
    return seen


def test_at_a_terminal_ctrl_c_stops_the_answer_and_ctrl_d_the_program(fakes):
    """The process itself, on a terminal of its own."""

    class Slow(fakes.Generation):
        def _reply(self, choice):
            return list(b"a" * 300)

    engine = fakes.Engine(delay=0.3)
    engine.generation = Slow
    with fakes.served(engine) as server:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command("--url", server.url), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, cwd=ROOT
        )
        try:
            os.close(theirs)
            read_until(ours, b"> ")
            os.write(ours, b"Hi\n")
            fakes.wait_until(lambda: server.engine.generations and server.engine.generations[0].drawn)
            process.send_signal(signal.SIGINT)
            read_until(ours, b"> ")
            fakes.wait_until(lambda: server.engine.generations[0].closed)
            os.write(ours, b"\x04")
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()
            os.close(ours)


def test_the_model_is_loaded_in_the_process_unless_a_server_is_named(monkeypatch, capsys, fakes):
    engine = fakes.Engine()
    seen = []
    parts = LoadedModel(engine, fakes.Tokenizer(), fakes.Compiler())
    monkeypatch.setattr("handlers.cli.local.load", lambda settings: seen.append(settings) or parts)
    monkeypatch.setattr("handlers.generation.sampling.secrets.randbelow", lambda n: 0)
    monkeypatch.setattr("sys.stdin", io.StringIO("Hi\n"))
    settings = ChatSettings(model="some/where")
    assert run(settings) == 0
    assert capsys.readouterr().out == f"{fakes.REPLIES[0]}\n" and seen == [settings] and engine.closed
    assert settings.generation_config == "auto"


def test_what_was_chosen_goes_with_every_request(monkeypatch, capsys, fakes):
    monkeypatch.setattr("sys.stdin", io.StringIO("Hi\nBye\n"))
    with fakes.served() as server:
        assert run(ChatSettings(url=server.url, temperature=0, max_tokens=3)) == 0
    sampling = [generation.request.sampling for generation in server.engine.generations]
    assert [(each.temperature, each.max_tokens) for each in sampling] == [(0, 3), (0, 3)]


def test_a_model_that_cannot_be_loaded_ends_it_with_status_1(tmp_path):
    words = ("--model", str(tmp_path / "nowhere"))
    done = subprocess.run(command(*words), input="Hi\n", capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.count("nowhere") == 1 and "Traceback" not in done.stderr
