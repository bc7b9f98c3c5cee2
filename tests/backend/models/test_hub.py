"""A model's name resolves to a folder, or to one message that says what to do."""

from pathlib import Path

import pytest

from backend.models.errors import CheckpointError
from backend.models.hub import BUNDLED, resolve


def test_a_folder_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(str(tmp_path)) == tmp_path
    monkeypatch.chdir(tmp_path.parent)
    assert resolve(tmp_path.name).samefile(tmp_path)


def test_the_bundled_model_needs_no_hub() -> None:
    assert resolve("tiny") == BUNDLED["tiny"]


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
        ("./absent", "not a folder"),
        ("~/absent/folder", "not a folder"),
        ("a/b/c", "not a folder"),
        ("not a name!", "neither a folder nor a hub repository's name"),
        ("owner/absent-repository", "not in the hub cache"),
    ],
)
def test_a_name_that_leads_nowhere_says_what_to_do(name: str, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        resolve(name, local_files_only=True)


def test_a_file_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"")
    with pytest.raises(CheckpointError, match="not a folder"):
        resolve(str(tmp_path / "model.gguf"))
