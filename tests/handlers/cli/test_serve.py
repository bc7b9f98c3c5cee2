"""`jaxchat serve`: its ports, its connections, and how it ends where it cannot begin."""

import logging
import re
import resource
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from handlers.cli import serve as module
from handlers.cli.serve import allow_many_connections, describe_media, media_reader, most_connections, open_ports, serve
from handlers.server import Server, listen, url
from handlers.service import Service
from handlers.settings import ServeSettings


@pytest.mark.parametrize("flag", ["port", "metrics-port"])
def test_a_taken_port_is_one_line_that_names_its_flag_before_the_model_loads(flag, fakes):
    def load():
        raise AssertionError("loaded")

    service = Service(load, ["tiny"])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"port": 0, "metrics_port": 0} | {flag.replace("-", "_"): port}
        with pytest.raises(SystemExit) as stop, open_ports(ServeSettings(host="127.0.0.1", **ports), service):
            pass
    error = str(stop.value)
    assert f"--{flag}: " in error and str(port) in error and "in use" in error and "\n" not in error


@pytest.mark.parametrize("metrics", [True, False])
def test_the_ports_are_told_and_free_again_at_the_end(metrics, caplog):
    caplog.set_level(logging.INFO)
    settings = ServeSettings(host="127.0.0.1", port=0, metrics_port=0, metrics=metrics)
    with open_ports(settings, Service(lambda: None, ["tiny"])) as listener:
        assert f"API: http://127.0.0.1:{listener.getsockname()[1]}" in caplog.text
        ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", caplog.text)]
        assert len(ports) == 1 + metrics
        for port in ports:
            socket.create_connection(("127.0.0.1", port)).close()
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize(("reason", "status"), [(None, 0), ("the engine stopped: out of memory", 1)])
def test_a_server_that_has_closed_ends_at_once_with_a_status_that_says_how_it_was(monkeypatch, reason, status):
    ended = []
    monkeypatch.setattr(Server, "run", lambda server, sockets: None)
    monkeypatch.setattr(Service, "reason", reason)
    monkeypatch.setattr("handlers.cli.serve.exit_at_once", ended.append)
    serve(ServeSettings(host="127.0.0.1", port=0, metrics_port=0))
    assert ended == [status]


def test_what_was_printed_is_there_after_an_end_at_once():
    code = "from handlers.server import exit_at_once; print('said'); exit_at_once(3)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (3, "said\n")


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
        allow_many_connections()
        assert limits["now"] == (after, before[1])


def test_some_files_are_kept_for_what_is_no_connection(monkeypatch):
    monkeypatch.setattr("handlers.cli.serve.allow_many_connections", lambda: 1000)
    assert most_connections(4000) == 800 and most_connections(10) == 10
    monkeypatch.setattr("handlers.cli.serve.allow_many_connections", lambda: 200)
    with pytest.raises(SystemExit, match="200 files may be open, and at least 201 are needed"):
        most_connections(10)


def test_a_model_that_cannot_be_loaded_ends_the_process_with_one_line(tmp_path: Path):
    command = "import sys; sys.modules['torch'] = None; from handlers.cli import main; main()"
    words = ["serve", "--port", "0", "--metrics-port", "0", "--host", "127.0.0.1", "--model", str(tmp_path / "nowhere")]
    done = subprocess.run([sys.executable, "-c", command, *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    *log, error = done.stderr.splitlines()
    assert " ERROR " in error and "nowhere is not here" in error
    assert all(re.match(r"\d\d:\d\d:\d\d INFO ", line) for line in log), done.stderr


def test_media_are_read_as_the_settings_say(tmp_path: Path, caplog, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    settings = ServeSettings(
        media_folder=tmp_path, allowed_media_domains=["B.example", "a.example"], media_max_bytes=7, media_max_pixels=8,
        media_max_duration=9, media_timeout=10,
    )  # fmt: skip
    with caplog.at_level("INFO"):
        reader = media_reader(settings, SimpleNamespace(modalities=frozenset({"audio", "image"})))
    assert reader is not None
    limits = reader.limits
    reader.close()
    assert (limits.bytes, limits.pixels, limits.duration, limits.fetch_seconds) == (7, 8, 9, 10)
    assert "media: image and audio, fetched from a.example, b.example" in caplog.text
    assert "not fetched from hosts behind the proxies of the environment (https)" in caplog.text
    nowhere = describe_media(ServeSettings(media_fetch=False), frozenset({"image"}))
    assert nowhere == "image, fetched from nowhere (--no-media-fetch)"


def test_without_the_packages_media_are_not_taken_and_the_log_says_what_to_install(caplog, monkeypatch):
    monkeypatch.setattr("handlers.cli.serve.missing_packages", lambda: ["pillow", "av"])
    assert media_reader(ServeSettings(), SimpleNamespace(modalities=frozenset({"image"}))) is None
    assert "media: image: not taken, for want of pillow and av; pip install 'jaxchat[media]'" in caplog.text


def test_the_server_needs_the_packages_of_media_for_nothing_else():
    code = "import sys; sys.modules.update(PIL=None, av=None); import handlers.cli.serve, handlers.cli.loading"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_what_a_loaded_model_is_made_of_is_never_gone_through_for_garbage(monkeypatch, fakes):
    done = []
    monkeypatch.setattr(module, "load", lambda *_: done.append("loaded") or SimpleNamespace(encoder=None))
    monkeypatch.setattr(module.gc, "collect", lambda: done.append("collected"))
    monkeypatch.setattr(module.gc, "freeze", lambda: done.append("frozen"))
    module.load_or_stop(ServeSettings(), SimpleNamespace(should_exit=False), None)
    assert done == ["loaded", "collected", "frozen"]
