"""Files below one folder, and no others: not by steps, by links, by other hosts, or by what is no file."""

import os
import socket

import pytest

from handlers.media.folder import read_file_url
from handlers.media.limits import Budget, MediaError


@pytest.fixture
def folder(tmp_path):
    """A folder with a file, beside one with a secret to which links lead."""
    inside, outside = tmp_path / "media", tmp_path / "media-secret"
    (inside / "a b").mkdir(parents=True)
    outside.mkdir()
    (inside / "a b" / "é.png").write_bytes(b"bytes")
    (outside / "secret").write_bytes(b"a secret")
    (tmp_path / "secret").write_bytes(b"a secret")
    (inside / "link").symlink_to(outside / "secret")
    (inside / "folder-link").symlink_to(outside)
    (inside / "own-link").symlink_to(inside / "a b" / "é.png")
    os.mkfifo(inside / "pipe")
    return inside


def read(folder, path, most=1000):
    return read_file_url(f"file://{path}", folder, Budget(most))


@pytest.mark.parametrize("host", ["", "localhost"])
@pytest.mark.parametrize("name", ["a%20b/%C3%A9.png", "a b/é.png", "./a%20b/./é.png", "%61%20b/é.png"])
def test_a_file_below_the_folder_is_read(folder, host, name):
    assert read(folder, f"{host}{folder}/{name}") == b"bytes"
    assert read_file_url(f"FILE://{host}{folder}/{name}", folder, Budget(5)) == b"bytes"


def test_the_folder_itself_may_be_reached_by_a_link(folder, tmp_path):
    (tmp_path / "by-link").symlink_to(folder)
    for base in (folder, tmp_path / "by-link"):
        assert read(tmp_path / "by-link", f"{base}/a b/é.png") == b"bytes"


@pytest.mark.parametrize(
    "path",
    [
        "{inside}/../secret", "{inside}/a b/../../secret", "{inside}/%2e%2e/secret", "{inside}/..%2fsecret",
        "{inside}/a b/../a b/é.png", "{inside}-secret/secret", "{inside}/link", "{inside}/folder-link/secret",
        "{inside}/own-link", "{inside}/pipe", "{inside}/a b", "{inside}/", "{inside}", "{inside}/nothing",
        "{inside}/a b/é.png/x", "{inside}/a b/é.png%00", "{inside}/a b/é.png?x", "{inside}/a b/é.png#x",
        "other.host{inside}/a b/é.png", "127.0.0.1{inside}/a b/é.png", "user@localhost{inside}/a b/é.png",
        "/etc/passwd", "/proc/self/environ", "/dev/zero", "", "/", "etc/passwd", "../secret", "[::1", "{inside}/\ud800",
        "{inside}/" + "x" * 5000, "{inside}/%ff%fe",
    ],
)  # fmt: skip
def test_nothing_else_is(folder, path):
    with pytest.raises(MediaError) as caught:
        read(folder, path.replace("{inside}", str(folder)))
    assert str(folder) not in str(caught.value)


def test_a_socket_is_no_file(folder, monkeypatch):
    with socket.socket(socket.AF_UNIX) as listener:
        monkeypatch.chdir(folder)  # the names of sockets are short
        listener.bind("socket")
        with pytest.raises(MediaError, match="links are not followed"):
            read(folder, f"{folder}/socket")


def test_without_a_folder_no_file_is_read(folder):
    with pytest.raises(MediaError, match="--media-folder names those it may"):
        read(None, f"{folder}/a b/é.png")


def test_no_more_is_read_than_the_budget_has(folder):
    with pytest.raises(MediaError, match="more than 4 bytes together"):
        read(folder, f"{folder}/a b/é.png", most=4)
