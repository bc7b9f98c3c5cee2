"""What the files of a checkpoint may lead to: each other, and nothing else on the machine."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from backend.models.errors import CheckpointError
from backend.models.gguf.files import parts


def check_names(place: Path, names: Iterable[Any]) -> None:
    """Refuses names of files, given by the file `place`, that could lead out of its folder, or are none.

    Raises `CheckpointError`.
    """
    wrong = [name for name in names if not _is_plain(name)]
    if wrong:
        named = ", ".join(repr(name)[:100] for name in wrong[:3])
        raise CheckpointError(f"{place} names {named}; it may name only files of its own folder, without a path")


def check_links(path: Path) -> None:
    """Refuses links in a checkpoint's folder, or beside its GGUF file, that lead out of the folder.

    Those of the hub's cache may: from snapshots/COMMIT to blobs. So may `path` itself, which the operator has named;
    what a checkpoint brings must not make the server read other files of the machine. Raises `CheckpointError`.
    """
    folder = path if path.is_dir() else path.parent
    home = folder.resolve()
    allowed = [home, home.parent.parent / "blobs"] if home.parent.name == "snapshots" else [home]
    for link in _links(folder) if path.is_dir() else _parts(path):
        target = link.resolve()
        if link.is_symlink() and not any(target.is_relative_to(place) for place in allowed):
            raise CheckpointError(f"{link} is a link out of the checkpoint's folder; put the file itself in its place")


def _is_plain(name: Any) -> bool:
    if not isinstance(name, str) or name in ("", ".", "..") or "\0" in name:
        return False
    return all(kind(name).name == name for kind in (PurePosixPath, PureWindowsPath))


def _links(folder: Path) -> list[Path]:
    """The links in it and in its folders; nothing of a checkpoint is read from further down."""
    found = list(folder.iterdir())
    inner = [path for outer in found if outer.is_dir() and not outer.is_symlink() for path in outer.iterdir()]
    return [path for path in (*found, *inner) if path.is_symlink()]


def _parts(path: Path) -> list[Path]:
    return [part for part in parts(path) if part != path]
