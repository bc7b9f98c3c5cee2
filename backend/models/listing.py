"""The models that this machine has, by what their files say of themselves; done without JAX."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import constants, scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from backend.models.catalogue import CATALOGUE, MODEL_CACHE
from backend.models.errors import CheckpointError
from backend.models.gguf.files import first_part, parts
from backend.models.gguf.header import read_gguf_metadata

UNKNOWN = "?"


@dataclass(frozen=True)
class LocalModel:
    """A model that `--model NAME` takes. family: as its files have it, "?" where they do not say. size: in bytes.

    local: its files are on this machine; otherwise the first start downloads them. about: in a few words.
    """

    name: str
    family: str
    size: int
    local: bool
    about: str


def list_models(cache: Path = MODEL_CACHE) -> list[LocalModel]:
    """The bundled models, then those in the hub's cache, by name. cache: folder of bundled models' downloads."""
    bundled = [
        LocalModel(
            model.name,
            model.family,
            model.size,
            model.local_path(cache) is not None,
            f"{model.about} ({model.parameters} parameters, {model.licence})",
        )
        for model in CATALOGUE.values()
    ]
    return bundled + sorted(_cached(), key=lambda model: model.name)


def family_of(path: Path) -> str:
    """The family of the checkpoint in a folder or GGUF file, "?" where it does not say."""
    try:
        if path.is_file():
            return str(read_gguf_metadata(path).get("general.architecture", UNKNOWN))
        return str(json.loads((path / "config.json").read_bytes()).get("model_type", UNKNOWN))
    except (OSError, ValueError, AttributeError, CheckpointError):
        return UNKNOWN


def _cached() -> Iterator[LocalModel]:
    """What the hub's cache has of models: repositories with a config.json, and GGUF files, which go by their path."""
    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return
    for repository in repositories:
        if repository.repo_type != "model" or not repository.revisions:
            continue
        folder = max(repository.revisions, key=lambda revision: revision.last_modified).snapshot_path
        if (folder / "config.json").is_file():
            about = "in the hub's cache"
            yield LocalModel(repository.repo_id, family_of(folder), repository.size_on_disk, True, about)
        for file in sorted(folder.rglob("*.gguf")):
            if first_part(file) == file:
                yield LocalModel(str(file), family_of(file), _size(file), True, f"of {repository.repo_id}")


def _size(file: Path) -> int:
    try:
        return sum(part.stat().st_size for part in parts(file))
    except CheckpointError:  # parts are absent, as a start would say
        return file.stat().st_size
