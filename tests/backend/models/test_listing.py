"""What this machine has is listed by what the files say."""

import json
from pathlib import Path

import gguf
import pytest

from backend.models.catalogue import CATALOGUE
from backend.models.listing import family_of, list_models

SNAPSHOT = "0" * 40


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the hub's cache, which is not there yet."""
    folder = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(folder))
    return folder


def repository(cache: Path, name: str, **files: bytes) -> Path:
    folder = cache / name
    snapshot = folder / "snapshots" / SNAPSHOT
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(SNAPSHOT)
    for file, content in files.items():
        (snapshot / file.replace("__", ".")).write_bytes(content)
    return snapshot


def write_gguf(file: Path) -> None:
    writer = gguf.GGUFWriter(file, "qwen2")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def test_bundled_models_are_listed_whether_or_not_they_are_here(tmp_path: Path, hub_cache: Path) -> None:
    found = {model.name: model for model in list_models(tmp_path)}
    assert list(found) == list(CATALOGUE)
    assert found["tiny"].local and not found["smollm2"].local
    assert found["smollm2"].size == CATALOGUE["smollm2"].size and "135 M" in found["smollm2"].about


def test_the_hubs_cache_is_listed_by_what_can_be_served(tmp_path: Path, hub_cache: Path) -> None:
    repository(hub_cache, "models--owner--name", config__json=b'{"model_type": "llama"}', weights=b"x" * 99)
    repository(hub_cache, "models--owner--broken", config__json=b"{")
    repository(hub_cache, "models--owner--other", readme=b"no checkpoint")
    repository(hub_cache, "datasets--owner--data", config__json=b"{}")
    snapshot = repository(hub_cache, "models--owner--files")
    write_gguf(snapshot / "Model.gguf")
    for number in (1, 2):
        write_gguf(snapshot / f"Split-0000{number}-of-00002.gguf")
    write_gguf(snapshot / "Half-00001-of-00002.gguf")
    found = list_models(tmp_path)[len(CATALOGUE) :]
    names = [model.name.removeprefix(f"{snapshot}/") for model in found]
    assert names == [
        "Half-00001-of-00002.gguf",
        "Model.gguf",
        "Split-00001-of-00002.gguf",
        "owner/broken",
        "owner/name",
    ]
    families = [model.family for model in found]
    assert families == ["qwen2", "qwen2", "qwen2", "?", "llama"] and all(model.local for model in found)
    sizes = {name: model.size for name, model in zip(names, found, strict=True)}
    assert sizes["Split-00001-of-00002.gguf"] == 2 * sizes["Model.gguf"] and sizes["owner/name"] >= 99


@pytest.mark.parametrize("text", ["[]", "{", json.dumps({"x": 1}), None])
def test_a_folder_that_does_not_say_its_family_is_of_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert family_of(tmp_path) == "?"


def test_a_file_that_is_no_gguf_is_of_none(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUFnot")
    assert family_of(tmp_path / "x.gguf") == "?"
