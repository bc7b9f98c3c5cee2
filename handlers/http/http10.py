"""Answers in HTTP/1.0."""

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class UntilClosed(RequestResponseCycle):
    """An answer in HTTP/1.0, which has no chunks: where its length is not known, it ends with its connection."""

    open_ended = False

    async def send(self, message: ASGISendEvent) -> None:
        """As in HTTP/1.1, but for chunks."""
        if message["type"] == "http.response.start":
            self.open_ended = all(name.lower() != b"content-length" for name, _ in message.get("headers", ()))
            if self.open_ended:
                self.chunked_encoding = False
        elif self.open_ended and message["type"] == "http.response.body":
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)
