"""Flags, environment, help and errors of the command line."""

import subprocess
import sys

import pytest

from handlers.settings import ServeSettings


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


@pytest.mark.parametrize("words", [["a", "--served-model-name", "b"], ["a,b"], ["a, b"]])
def test_a_model_may_be_given_several_names(serve, words):
    assert serve("serve", "--served-model-name", *words).model_names == ("a", "b")


def test_names_from_the_environment_are_separated_by_commas(serve, monkeypatch):
    monkeypatch.setenv("JAXCHAT_SERVED_MODEL_NAME", "a,b")
    assert serve("serve").model_names == ("a", "b")


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
        (["--served-model-name", ""], "--served-model-name"),
        (["--generation-config", "model"], "--generation-config"),
        (["--response-store", "much"], "error: --response-store: Input should be 'off' or could not parse"),
        (["--media-folder", "/nowhere"], "error: --media-folder: there is no folder /nowhere; see"),
        (["--ssl-certfile", "/x"], "error: --ssl-certfile and --ssl-keyfile go together; give both, or none; see"),
        (["--num-processes", "2"], "error: --num-processes and --process-id are of several"),
    ],
)
def test_a_wrong_flag_is_one_error_that_names_it(serve, capsys, words, named):
    with pytest.raises(SystemExit) as stop:
        serve("serve", *words)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert named in error
    assert "Traceback" not in error


@pytest.mark.parametrize("command", ["serve", "chat", "bench", "doctor"])
def test_a_wrong_flag_leads_to_the_help_of_its_command(serve, capsys, command):
    with pytest.raises(SystemExit):
        serve(command, "--max-batch-size", "0")
    assert capsys.readouterr().err.endswith(f"; see jaxchat {command} --help\n")


def test_flags_that_switch_need_no_value(serve):
    assert (serve("serve").deterministic, serve("serve").metrics) == (False, True)
    settings = serve("serve", "--deterministic", "--no-metrics")
    assert (settings.deterministic, settings.metrics) == (True, False)


def test_the_console_script_starts():
    done = subprocess.run(
        [sys.executable, "-c", "from handlers.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "serve" in done.stdout
