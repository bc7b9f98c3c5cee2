"""Compiled programs, kept from one start to the next under the digest of what they are.

JAX writes its cache in place, never looks at what it reads, and keeps what a full disk has cut for ever. So while a
start compiles, JAX's cache is a folder of this process alone: it has links to the programs whose digest is right, and
what is whole of the new ones is moved to where it is kept.
"""

import hashlib
import logging
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import jax
import zstandard
from jax.experimental.compilation_cache import compilation_cache as jax_cache

log = logging.getLogger(__name__)

_KEPT = re.compile(r"(?P<entry>.+-cache)\.(?P<digest>[0-9a-f]{64})", re.DOTALL)
_WORKING = ".starting-"
_ABANDONED_SECONDS = 24 * 3600  # a start takes less; what is older is of a process that was killed


@contextmanager
def kept_programs(folder: Path | None) -> Iterator[Callable[[], None]]:
    """Takes what the block compiles from `folder`, and keeps what is new there; None leaves JAX's own settings.

    Gives a function that keeps at once what is new by now, for starts that may be ended half way. Programs that are
    cut, changed or under another's name are removed and compiled again; a folder that cannot be used is a warning.
    """
    working = None if folder is None else _working_folder(folder)
    if folder is None or working is None:
        yield lambda: None
        return
    try:
        _link(folder, working)
        with _jax_cache_in(working):
            yield partial(_keep, working, folder, threading.Lock())
        _keep(working, folder, threading.Lock(), over=True)
    finally:
        shutil.rmtree(working, ignore_errors=True)


@contextmanager
def _jax_cache_in(folder: Path) -> Iterator[None]:
    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        # XLA's own caches in the same folder: their path would be part of every program's key, so that programs are
        # not found where the folder has another name.
        "jax_persistent_cache_enable_xla_caches": "none",
    }
    before = {name: getattr(jax.config, name) for name in settings}
    _set(settings)
    try:
        yield
    finally:
        _set(before)


def _set(settings: dict[str, object]) -> None:
    for name, value in settings.items():
        jax.config.update(name, value)
    jax_cache.reset_cache()  # it is opened by the next compilation, with the settings of then


def _working_folder(folder: Path) -> Path | None:
    """An empty folder for this start, in `folder` or, where that is read only, among the system's temporary files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
    except OSError as error:
        log.warning("compiled programs are not kept: %s", error)
    for parent in (folder, None):
        with suppress(OSError):
            return Path(tempfile.mkdtemp(prefix=_WORKING, dir=parent))
    log.warning("compiled programs are neither kept nor used: no folder for them can be made in %s", folder)
    return None


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(f"{_WORKING}*"):
        if time.time() - path.lstat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _link(folder: Path, working: Path) -> None:
    """Links into `working` whatever `folder` has unharmed, once per program; the rest is removed from it."""
    harmed = 0
    for path, match in _kept(folder):
        link = working / match["entry"]
        try:
            right = _digest(match["entry"], path.read_bytes()) == match["digest"]
            harmed += not right
            if right and not link.is_symlink():
                link.symlink_to(path.absolute())
            else:  # of two that were compiled at the same time one is enough
                path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("the compiled program %s is not used: %s", path, error)
    if harmed:
        log.warning("%d compiled programs in %s were cut or changed, and are compiled again", harmed, folder)


def _keep(working: Path, folder: Path, lock: threading.Lock, *, over: bool = False) -> None:
    """Moves the new programs to `folder`, each under its digest and at once; those that are cut stay behind.

    over: nothing is being written any more, so that what is not whole was cut.
    """
    if working.parent != folder:
        return  # it could not be written to
    try:
        with lock:
            cut = [path.name for path in sorted(working.glob("*-cache")) if not _move(path, folder.absolute())]
    except OSError as error:
        log.warning("compiled programs could not be kept in %s: %s", folder, error)
    else:
        if cut and over:
            log.warning("%d compiled programs could not be kept: they were cut; is the disk full?", len(cut))


def _move(path: Path, folder: Path) -> bool:
    """Leaves a link to what it moves; False for what is not whole."""
    if path.is_symlink():
        return True
    content = path.read_bytes()
    if not _is_whole(content):
        return False
    kept = folder / f"{path.name}.{_digest(path.name, content)}"
    path.replace(kept)
    path.symlink_to(kept)
    return True


def _kept(folder: Path) -> list[tuple[Path, re.Match[str]]]:
    found = ((path, _KEPT.fullmatch(path.name)) for path in sorted(folder.glob("*-cache.*")))
    return [(path, match) for path, match in found if match is not None]


def _digest(entry: str, content: bytes) -> str:
    """Of name and content, so that one program under the name of another is found out."""
    return hashlib.sha256(entry.encode() + b"\0" + content).hexdigest()


def _is_whole(content: bytes) -> bool:
    """Whether it ends where JAX's writer ended: an entry is one frame of zstd."""
    reader = zstandard.ZstdDecompressor().decompressobj()
    try:
        reader.decompress(content)
    except zstandard.ZstdError:
        return False
    return reader.eof
