"""Two applications for measuring HTTP alone: ours over an engine that costs nothing, and a bare Starlette route.

`python -m benchmarks.serving.stub PORT` serves ours, with `--text` over the bundled model's tokenizer; with
`--replay FILE` the bare route, which gives back the recorded bytes.
"""

import argparse
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HTTPRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from backend.engine.stats import EngineStats
from backend.grammar import ConstText, Marker
from backend.request import Admission, Request, TokenEvent
from benchmarks.serving.models import BUNDLED
from handlers.app import create_app
from handlers.formats.syntax import Format
from handlers.loaded import LoadedModel
from handlers.service import Service
from handlers.text.tokenizer import ChatTokenizer

LETTER = 97


class StubGeneration:
    """The letter a until there are enough, all at once."""

    admission = Admission(queued_seconds=0.0, cached_tokens=0)

    def __init__(self, request: Request) -> None:
        self._last = request.sampling.max_tokens - 1

    async def __aiter__(self) -> AsyncIterator[TokenEvent]:
        for number in range(self._last + 1):
            yield TokenEvent(0, LETTER, finish_reason="length" if number == self._last else None)

    def cancel(self, choice: int) -> None:
        """Nothing runs."""

    async def aclose(self) -> None:
        """Nothing runs."""


class StubEngine:
    """Draws without a model."""

    context_length, vocab_size, max_choices, max_choices_together = 4096, 1536, 128, 96
    failure, constraint_unsupported_reason = None, "it has no model"

    def submit(self, request: Request) -> StubGeneration:
        return StubGeneration(request)

    def stats(self) -> EngineStats:
        """Nothing ever happens."""
        return EngineStats(**dict.fromkeys(EngineStats.__dataclass_fields__, 0))

    def close(self) -> None:
        """Nothing runs."""


class StubTokenizer:
    """A token per character."""

    end_tokens, vocab_size, format = (), 1536, Format()

    def encode_chat(self, messages: list[dict[str, Any]], **options: Any) -> list[int]:
        return [ord(character) for character in messages[-1]["content"]]

    def template_shows(self, place: str, name: str) -> bool:
        return False

    def detokenizer(self, prompt: Sequence[int], stop: Sequence[str], *others: Any) -> Any:
        return SimpleNamespace(stopped=False, read=0, feed=chr, finish=str)

    def spell(self, text: str) -> Marker:
        return (ConstText(text),)

    def token_bytes(self, token: int) -> bytes | None:
        return chr(token).encode()

    def token_text(self, token: int) -> str:
        return chr(token)


def ours(tokenizer: Any) -> Any:
    """Our application over the stub engine."""
    compiler = SimpleNamespace(close=lambda: None)
    return create_app(Service(lambda: LoadedModel(StubEngine(), tokenizer, compiler, tokenizer.format), ["stub"]))


def bare(file: Path) -> Starlette:
    """One route that reads the body and answers with what `file` holds: {"whole": text, "events": [text, ...]}."""
    recorded = json.loads(file.read_text(encoding="utf-8"))
    whole, events = recorded["whole"].encode(), [event.encode() for event in recorded["events"]]

    async def pieces() -> AsyncIterator[bytes]:
        for event in events:
            yield event

    async def complete(request: HTTPRequest) -> Response:
        if json.loads(await request.body())["stream"]:
            return StreamingResponse(pieces(), media_type="text/event-stream")
        return Response(whole, media_type="application/json")

    async def health(request: HTTPRequest) -> Response:
        return Response()

    return Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"]), Route("/health", health)])


def main() -> None:
    """Serve one of the two."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving.stub",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("port", type=int)
    parser.add_argument("--text", action="store_true")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if arguments.replay is not None:
        app = bare(arguments.replay)
    else:
        app = ours(ChatTokenizer(BUNDLED) if arguments.text else StubTokenizer())
    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", server_header=False)


if __name__ == "__main__":
    main()
