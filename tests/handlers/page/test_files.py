"""The page's files: found, typed, and whole."""

import hashlib
import re

import pytest

from handlers.page.files import CONTENT_SECURITY_POLICY, read_files

FILES = read_files()
# Of npm's dompurify 3.5.0 (dist/purify.es.mjs) and marked 18.2.1 (lib/marked.esm.js), byte for byte.
VENDORED = {
    "/page/vendor/purify.js": "5e8c53cd086a012531fc754ee6a7ad7a02e8a06fc4dadd805b912e128c3f6c58",
    "/page/vendor/marked.js": "5371fea86fd0656b4fc7bea7c94c663109d82789b69433eeee78d42895aa44de",
}
TEXTS = {path: file.content.decode() for path, file in FILES.items()}


def test_every_file_that_one_names_is_there():
    names = re.findall(r"""["'](/page/[^"']*)["']""", "".join(TEXTS.values()))
    assert names and set(names) <= FILES.keys() and set(names) >= FILES.keys() - {"/"}


def test_nothing_comes_from_elsewhere_and_nothing_is_inline():
    for path, text in TEXTS.items():
        if path not in VENDORED and not path.endswith(".svg"):
            assert not re.search(r"https?://", text), path
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|\sstyle=", TEXTS["/"])
    assert "unsafe" not in CONTENT_SECURITY_POLICY


def test_texts_of_the_model_become_markup_in_one_place_only():
    for path, text in TEXTS.items():
        if path not in VENDORED:
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text), path
            assert ("marked.parse" in text) == (path == "/page/markdown.js")


@pytest.mark.parametrize("path", VENDORED)
def test_libraries_are_as_published(path):
    assert hashlib.sha256(FILES[path].content).hexdigest() == VENDORED[path]
