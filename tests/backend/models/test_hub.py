"""A model's name resolves to a folder or file, or to one message that says what to do."""

from pathlib import Path

import pytest

from backend.models.catalogue import CATALOGUE
from backend.models.errors import CheckpointError
from backend.models.hub import resolve


def test_a_folder_or_file_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.gguf").touch()
    for path in (tmp_path, tmp_path / "model.gguf"):
        assert resolve(str(path)) == path
    monkeypatch.chdir(tmp_path.parent)
    assert resolve(tmp_path.name).samefile(tmp_path)


def test_the_bundled_model_needs_no_hub() -> None:
    assert resolve("tiny") == CATALOGUE["tiny"].source


def test_a_cached_repository_is_found_without_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--owner--name" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    references = tmp_path / "models--owner--name" / "refs"
    references.mkdir()
    (references / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert resolve("owner/name", local_files_only=True) == snapshot


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("./absent", "is not here; give a checkpoint's folder, a .gguf file"),
        ("~/absent/folder", "is not here"),
        ("a/b/c", "is not here"),
        ("not a name!", "neither a path nor a hub repository's name"),
        ("owner/absent-repository", "not in the hub cache"),
        ("absent.gguf", "is not here"),
        ("owner/absent.gguf", "is not here"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_to_do(name: str, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        resolve(name, local_files_only=True)
