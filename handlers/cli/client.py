"""A client of the chat endpoint: an answer's pieces as they come, over HTTP."""

import json
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import httpx

CONNECT_SECONDS, SILENT_SECONDS = 5.0, 600.0
PATH = "/v1/chat/completions"


class ClientError(Exception):
    """The server cannot be reached or refuses; the message is for people."""


@dataclass(frozen=True)
class Piece:
    """What a chunk of a stream adds to an answer. kind: "end" comes last, with the finish reason as text."""

    kind: Literal["reasoning", "content", "end"]
    text: str


class ChatClient:
    """Talks to the server at `url`, with or without the /v1 that other clients want.

    local: it runs in this process, so that no proxy of the environment is asked.
    """

    def __init__(self, url: str, *, local: bool = False) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/").removesuffix("/v1")
        timeout = httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        try:
            self._http = httpx.Client(base_url=self.url, timeout=timeout, trust_env=not local)
        except (httpx.InvalidURL, ValueError) as error:
            raise ClientError(f"{url} is no address of a server: {error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._http.close()

    def model(self) -> str:
        """The name of the model that is served. Raises ClientError."""
        with self._told():
            response = self._http.get("/v1/models")
            if response.is_error:
                raise ClientError(_message(response))
            return str(response.json()["data"][0]["id"])

    def stream(self, body: dict[str, Any]) -> Generator[Piece, None, None]:
        """The answer to a chat request; `stream` need not be said. Closing the iterator ends the answer at the server.

        Raises ClientError, also in the middle.
        """
        with self._told(), self._http.stream("POST", PATH, json={**body, "stream": True}) as response:
            if response.is_error:
                response.read()
                raise ClientError(_message(response))
            for event in _events(response.iter_bytes()):
                if "error" in event:
                    raise ClientError(event["error"]["message"])
                yield from _pieces(event)

    def _told(self) -> "_Told":
        return _Told(self.url)


class _Told:
    """What goes wrong inside, on the wire or in what is read from it, is a ClientError."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol):
            raise ClientError(f"no server answers at {self._url}: {error}") from error
        if isinstance(error, httpx.HTTPError):
            raise ClientError(f"the server at {self._url} did not answer: {error or type(error).__name__}") from error
        if isinstance(error, ValueError | LookupError | TypeError | AttributeError | RecursionError):
            raise ClientError(f"what answers at {self._url} is no chat completions server") from error


def _events(pieces: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The data of each event but the last. Lines end at line feeds only: text may contain other separators."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            data = line.strip().removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != b"[DONE]":
                yield json.loads(data)


def _pieces(event: dict[str, Any]) -> Iterator[Piece]:
    for choice in event["choices"]:
        delta = choice["delta"]
        if delta.get("reasoning_content"):
            yield Piece("reasoning", _text(delta["reasoning_content"]))
        if delta.get("content"):
            yield Piece("content", _text(delta["content"]))
        if choice["finish_reason"] is not None:
            yield Piece("end", _text(choice["finish_reason"]))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is {type(value).__name__}")
    return value


def _message(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server answered {response.status_code} {response.reason_phrase}"
