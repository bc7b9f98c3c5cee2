"""`file:` URLs: of files below one folder, and of no others."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import unquote_to_bytes, urlsplit

from handlers.media.limits import Budget, MediaError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def read_file_url(url: str, folder: Path | None, budget: Budget) -> bytes:
    """The bytes of the file that a URL names, which lies below `folder` and is reached without symbolic links.

    Raises MediaError where it does not or is not, cannot be read, or has more bytes than the budget.
    """
    if folder is None:
        raise MediaError("is a file: URL, and this server reads no files; --media-folder names those it may")
    steps = _steps(url, folder)
    try:
        with _opened(folder, steps) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise MediaError("is no regular file")
            budget.take(status.st_size)
            return file.read(status.st_size)
    except OSError as error:
        # What lies where on this machine is not told: a link, a folder and nothing at all look alike.
        raise MediaError("is no file below --media-folder that can be read; links are not followed") from error


def _steps(url: str, folder: Path) -> tuple[str, ...]:
    """The names that lead from the folder to the file."""
    try:
        parts = urlsplit(url)
        path = PurePosixPath(os.fsdecode(unquote_to_bytes(parts.path)))
    except ValueError as error:  # among others, text that is no Unicode
        raise MediaError(f"is no URL: {error}") from error
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment or "\0" in str(path):
        raise MediaError("is no file: URL of a file below --media-folder")
    if not path.is_absolute():
        raise MediaError("is a relative file: URL; write file:// and the whole path")
    for base in (folder, folder.resolve()):
        if path.is_relative_to(base):
            steps = path.relative_to(base).parts
            if steps and ".." not in steps:
                return steps
    raise MediaError("is not below --media-folder, the only files that are read")


@contextmanager
def _opened(folder: Path, steps: tuple[str, ...]) -> Iterator[BinaryIO]:
    """Opens step by step, each from the folder before: no name can become a link between a look and its use."""
    at = os.open(folder, _FOLDER)
    try:
        for step in steps[:-1]:
            inner = os.open(step, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        with os.fdopen(os.open(steps[-1], _FILE | os.O_NOFOLLOW, dir_fd=at), "rb") as file:
            yield file
    finally:
        os.close(at)
