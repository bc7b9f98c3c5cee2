"""The command line: flags, environment, help, errors, and what the log leaves out."""

import logging
import re
import resource
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from handlers import cli
from handlers.formats.syntax import Format
from handlers.server import listen, url
from handlers.service import Service
from handlers.settings import ServeSettings
from handlers.text.chat_templates import read_chat_template


@pytest.fixture
def serve(monkeypatch) -> object:
    """Runs the command line with the given words; gives the settings that it would serve with."""
    seen: list[ServeSettings] = []
    monkeypatch.setattr(cli.Serve, "cli_cmd", seen.append)

    def run(*words: str) -> ServeSettings:
        monkeypatch.setattr(sys, "argv", ["jaxchat", *words])
        cli.main()
        return seen.pop()

    return run


def test_no_flag_serves_the_bundled_model_on_port_8000(serve):
    settings = serve("serve")
    assert (settings.model, settings.port) == ("tiny", 8000)


@pytest.mark.parametrize("names", [("--model", "--port"), ("--hf-model-name", "--web-server-port")])
def test_both_spellings_of_a_flag_mean_the_same(serve, names):
    settings = serve("serve", names[0], "owner/name", names[1], "81")
    assert (settings.model, settings.port) == ("owner/name", 81)


def test_a_flag_goes_before_the_environment(serve, monkeypatch):
    monkeypatch.setenv("JAXCHAT_MODEL", "from-environment")
    monkeypatch.setenv("JAXCHAT_MAX_BATCH_SIZE", "3")
    settings = serve("serve", "--model", "from-flag")
    assert (settings.model, settings.max_batch_size) == ("from-flag", 3)


def test_help_explains_every_setting(serve, capsys):
    with pytest.raises(SystemExit) as stop:
        serve("serve", "--help")
    text = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    for name, field in ServeSettings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in text
        assert field.description
        assert "".join(field.description.split(";")[0].split()) in "".join(text.split())  # lines break at hyphens, too


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--bogus"], "--bogus"),
        (["--port", "x"], "--port"),
        (["--max-batch-size", "0"], "--max-batch-size"),
        (["--memory-fraction", "0"], "--memory-fraction"),
        (["--memory-fraction", "1.01"], "--memory-fraction"),
        (["--memory-fraction", "nan"], "--memory-fraction"),
        (["--kv-cache-tokens", "0"], "--kv-cache-tokens"),
        (["--request-timeout", "0"], "--request-timeout"),
        (["--request-timeout", "inf"], "--request-timeout"),
        (["--drain-timeout", "-1"], "--drain-timeout"),
        (["--metrics-port", "65536"], "--metrics-port"),
        (["--chat-template", "chatmi"], "--chat-template"),
    ],
)
def test_a_wrong_flag_is_one_error_that_names_it(serve, capsys, words, named):
    with pytest.raises(SystemExit) as stop:
        serve("serve", *words)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert named in error
    assert "Traceback" not in error


def test_flags_that_switch_need_no_value(serve):
    assert (serve("serve").deterministic, serve("serve").metrics) == (False, True)
    settings = serve("serve", "--deterministic", "--no-metrics")
    assert (settings.deterministic, settings.metrics) == (True, False)


def test_every_setting_of_the_model_reaches_the_engine(monkeypatch, fakes):
    engine, seen = fakes.Engine(), []
    monkeypatch.setattr("backend.load_engine", lambda options, folder, tokens: seen.append(options) or engine)
    monkeypatch.setattr("backend.resolve_checkpoint", lambda options: Path("nowhere"))
    tokenizer, options = SimpleNamespace(vocabulary=list, format=Format(), tools_as_text=()), []
    monkeypatch.setattr("handlers.text.tokenizer.ChatTokenizer", lambda *given: options.append(given) or tokenizer)
    monkeypatch.setattr("backend.grammar.Compiler", lambda folder: SimpleNamespace(warm=lambda: None))
    settings = {"memory_fraction": 0.25, "kv_cache_tokens": 512, "deterministic": True, "max_queue": 7, "revision": "r"}
    formats = {"tool_format": "hermes", "reasoning_format": "think", "parse_reasoning": True}
    loaded = cli.load(ServeSettings(**settings, **formats, chat_template="chatml"))
    assert loaded.engine is engine and loaded.parse_reasoning and loaded.format is tokenizer.format
    assert options == [(Path("nowhere"), read_chat_template("chatml"), "hermes", "think")]
    assert {name: getattr(seen[0], name) for name in settings} == settings


@pytest.mark.parametrize(
    ("template", "as_text", "said"),
    [
        (None, (), ["chat template: the checkpoint's own", "answers: tool calls as none, reasoning as none"]),
        ("chatml", ("tools", "calls"), ["chat template: chatml", "tools: the template has no place for tools, calls"]),
    ],
)
def test_the_log_says_which_template_is_used_and_what_of_tools_is_text(
    monkeypatch, fakes, caplog, template, as_text, said
):
    monkeypatch.setattr("backend.load_engine", lambda *_: fakes.Engine())
    monkeypatch.setattr("backend.resolve_checkpoint", lambda options: Path("nowhere"))
    tokenizer = SimpleNamespace(vocabulary=list, format=Format(), tools_as_text=as_text)
    monkeypatch.setattr("handlers.text.tokenizer.ChatTokenizer", lambda *_: tokenizer)
    monkeypatch.setattr("backend.grammar.Compiler", lambda folder: SimpleNamespace(warm=lambda: None))
    with caplog.at_level("INFO"):
        cli.load(ServeSettings(chat_template=template))
    assert all(any(line in message for message in caplog.messages) for line in said)
    assert any("no place for" in message for message in caplog.messages) == bool(as_text)


@pytest.mark.parametrize("flag", ["port", "metrics-port"])
def test_a_taken_port_is_one_line_that_names_its_flag_before_the_model_loads(flag, fakes):
    def load():
        raise AssertionError("loaded")

    service = Service(load, ["tiny"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"port": 0, "metrics_port": 0} | {flag.replace("-", "_"): port}
        with pytest.raises(SystemExit) as stop, cli.open_ports(ServeSettings(host="127.0.0.1", **ports), service):
            pass
    error = str(stop.value)
    assert f"--{flag}: " in error and str(port) in error and "in use" in error and "\n" not in error


@pytest.mark.parametrize("metrics", [True, False])
def test_the_ports_are_told_and_free_again_at_the_end(metrics, caplog):
    caplog.set_level(logging.INFO)
    settings = ServeSettings(host="127.0.0.1", port=0, metrics_port=0, metrics=metrics)
    with cli.open_ports(settings, Service(lambda: None, ["tiny"])) as listener:
        assert f"API: http://127.0.0.1:{listener.getsockname()[1]}" in caplog.text
        ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", caplog.text)]
        assert len(ports) == 1 + metrics
        for port in ports:
            socket.create_connection(("127.0.0.1", port)).close()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def test_an_ipv6_address_is_listened_on_and_told_as_a_browser_takes_it():
    with listen("::1", 0) as listener:
        assert listener.family is socket.AF_INET6
        assert url("::1", 80) == "http://[::1]:80"


def test_as_many_connections_are_allowed_as_the_system_lets(monkeypatch):
    limits = {"now": (256, 4096)}
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _, value: limits.update(now=value))
    for before, after in [((256, 4096), 4096), ((9999, 9999), 9999), ((256, resource.RLIM_INFINITY), 65536)]:
        limits["now"] = before
        cli.allow_many_connections()
        assert limits["now"] == (after, before[1])


def test_a_folders_last_part_is_also_its_name():
    assert cli.model_names("models/mine") == ["models/mine", "mine"]
    assert cli.model_names("tiny") == ["tiny"]


@pytest.mark.parametrize(
    ("logger", "message", "passes"),
    [
        ("transformers", "PyTorch was not found. Models won't be available", False),
        ("transformers", "Something else", True),
        ("connexion.decorators.parameter", "Function argument 'json_body' not defined in specification", False),
        ("uvicorn.access", '1 - "GET /health HTTP/1.1" 503', False),
        ("uvicorn.access", '1 - "POST /v1/chat/completions HTTP/1.1" 200', True),
    ],
)
def test_the_log_leaves_out_what_says_nothing(logger, message, passes):
    cli.set_up_logging("info")
    record = logging.LogRecord(logger, logging.INFO, "", 1, message, None, None)
    assert bool(logging.getLogger(logger).filter(record)) is passes


def test_a_model_that_cannot_be_loaded_ends_the_process_with_one_line(tmp_path: Path):
    command = "from handlers.cli import main; main()"
    words = ["serve", "--port", "0", "--metrics-port", "0", "--host", "127.0.0.1", "--model", str(tmp_path / "nowhere")]
    done = subprocess.run([sys.executable, "-c", command, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "nowhere is not here" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_console_script_starts(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", "from handlers.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "serve" in done.stdout
