"""The files of the page and the document, and what browsers are told of them."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any

import orjson

INDEX = "index.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "media-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types dompurify",
    ]
)
"""The page loads nothing from elsewhere and sends nothing elsewhere, and only what is sanitised becomes markup."""


@dataclass(frozen=True)
class PageFile:
    """A file as it is served. etag: changes with its content."""

    content: bytes
    media_type: str
    etag: str

    @property
    def headers(self) -> dict[str, str]:
        """Of every answer with the file, also of one that says that it has not changed."""
        policy = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer"}
        return {"ETag": self.etag, "Cache-Control": "no-cache", **(policy if "html" in self.media_type else {})}


def read_files() -> dict[str, PageFile]:
    """All files of the page by the path of the URL that they are served under."""
    files = dict(_read(resources.files("handlers.page").joinpath("static"), "/page/"))
    return {"/": files.pop(f"/page/{INDEX}"), **files}


def document_files(document: dict[str, Any], text: bytes) -> dict[str, PageFile]:
    """The served document as JSON, and as its own YAML, by path; Swagger UI and the page read it.

    Connexion would write it anew for each request, all references filled in, and take a second for the YAML meanwhile.
    """
    json = _file(orjson.dumps(document), "application/json")
    return {"/openapi.json": json, "/openapi.yaml": _file(text, "text/yaml; charset=utf-8")}


def _file(content: bytes, media_type: str) -> PageFile:
    return PageFile(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:16]}"')


def _read(folder: Traversable, path: str) -> list[tuple[str, PageFile]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _read(entry, f"{path}{entry.name}/")
        elif (ending := f".{entry.name.rpartition('.')[2]}") in MEDIA_TYPES:
            found.append((f"{path}{entry.name}", _file(entry.read_bytes(), MEDIA_TYPES[ending])))
    return found
