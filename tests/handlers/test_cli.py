"""The command line: flags, environment, help, errors, and what the log leaves out."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from handlers import cli
from handlers.settings import ServeSettings


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
        assert field.description.split(";")[0] in text


@pytest.mark.parametrize(
    ("words", "named"),
    [(["--bogus"], "--bogus"), (["--port", "x"], "--port"), (["--max-batch-size", "0"], "--max-batch-size")],
)
def test_a_wrong_flag_is_one_error_that_names_it(serve, capsys, words, named):
    with pytest.raises(SystemExit) as stop:
        serve("serve", *words)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert named in error
    assert "Traceback" not in error


def test_a_folders_last_part_is_also_its_name():
    assert cli.model_names("models/mine") == ["models/mine", "mine"]
    assert cli.model_names("tiny") == ["tiny"]


@pytest.mark.parametrize(
    ("logger", "message", "passes"),
    [
        ("transformers", "PyTorch was not found. Models won't be available", False),
        ("transformers", "Something else", True),
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
    words = ["serve", "--port", "0", "--host", "127.0.0.1", "--model", str(tmp_path / "nowhere")]
    done = subprocess.run([sys.executable, "-c", command, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "nowhere is not a folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_console_script_starts(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-c", "from handlers.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "serve" in done.stdout
