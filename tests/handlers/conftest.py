"""A fake engine and a fake tokenizer, faithful to their protocols, and ways to call an application made of them."""

import asyncio
import codecs
import json
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from backend.engine.stats import EngineStats
from backend.grammar import (
    CompilerBusy,
    CompilerUnavailable,
    Constraint,
    ConstText,
    Grammar,
    GrammarError,
    Marker,
    Notes,
)
from backend.request import (
    AdapterExists,
    Admission,
    EngineFailed,
    PromptLogprobs,
    QueueFull,
    Request,
    TokenEvent,
    UnknownAdapter,
)
from handlers.app import create_app
from handlers.formats.syntax import Format
from handlers.http.protocol import ConnectionLimits
from handlers.loaded import LoadedModel
from handlers.server import DEFAULT_LIMITS, Server, listen
from handlers.service import Acceptance, Service
from handlers.text.template import PromptError

FORMAT, ACCEPTANCE = Format(), Acceptance()
END, PAD = 256, 257  # every other token is a byte
VOCAB, CONTEXT = 260, 400
REPLIES = (
    "Hello, how are you?",
    "Blåbærgrød på 東京 🙂 ok",
    "one two three STOP four",
    "",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
)


class FakeText:
    """Bytes to text; holds back partial characters, and whatever may begin a stop string."""

    def __init__(self, stop: Sequence[str]) -> None:
        self.stop, self.stopped_by, self.held, self.read = tuple(stop), None, "", 0
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, token: int) -> str:
        text = self.decoder.decode(bytes([token])) if token < 256 else ""
        self.read += len(text)
        return self._emit(self.held + text)

    def finish(self) -> str:
        text, self.held = self.held, ""
        return text

    def _emit(self, text: str) -> str:
        found = [(text.index(stop), stop) for stop in self.stop if stop in text]
        if found:
            (start, self.stopped_by), self.held = min(found), ""
            return text[:start]
        longest = max((n for stop in self.stop for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
        self.held = text[len(text) - longest :]
        return text[: len(text) - longest]


class FakeTokenizer:
    """One token per byte. A message that contains "refuse" is refused, as a template would."""

    end_tokens, vocab_size, longest_token = (END,), VOCAB, 4

    def exceeds(self, texts: Iterable[str], tokens: int) -> bool:
        return sum(len(text.encode()) for text in texts) > tokens

    def __init__(self, uses: Sequence[str] = ()) -> None:
        self.uses, self.calls = set(uses), []

    def encode_chat(
        self, messages, *, tools, template_kwargs, reasoning_effort, ending="answer", media=()
    ) -> list[int]:
        self.calls.append(
            SimpleNamespace(
                messages=messages, tools=tools, kwargs=template_kwargs, effort=reasoning_effort, ending=ending
            )
        )
        for i, message in enumerate(messages):
            if "refuse" in str(message["content"]):
                raise PromptError("the template refuses this", f"messages.{i}.content")
        content = messages[-1]["content"]
        if isinstance(content, list) and any(part["type"] != "text" for part in content):
            written = iter(media)
            content = [part.get("text") or next(written, part["type"]) for part in content]
            content = [part if isinstance(part, str) else "".join(part.written) for part in content]
        return list(json.dumps(content, ensure_ascii=False).encode())

    def template_knows(self, name: str) -> bool:
        return name in self.uses

    def effort_variables(self, level: str) -> dict[str, Any]:
        return {"reasoning_effort": level} if "reasoning_effort" in self.uses else {}

    def template_shows(self, place: str, name: str) -> bool:
        return f"{place}.{name}" in self.uses

    def encode_text(self, text: str, *, begins: bool = True) -> list[int]:
        return list(text.encode())

    def detokenizer(
        self,
        prompt: Sequence[int],
        stop: Sequence[str],
        markers: Sequence[str] = (),
        min_tokens: int = 0,
        stop_tokens: Sequence[Sequence[int]] = (),
    ) -> FakeText:
        return FakeText([*stop, *(bytes(tokens).decode() for tokens in stop_tokens)])

    def spell(self, text: str) -> Marker:
        return (ConstText(text),)

    def marker_tokens(self, marker: str) -> tuple[int, ...]:
        return tuple(marker.encode())

    def decode_tail(self, prompt: Sequence[int], tokens: int) -> str:
        return bytes(prompt[-tokens:]).decode(errors="replace")

    def token_bytes(self, token: int) -> bytes | None:
        return bytes([token]) if token < 256 else None

    def token_text(self, token: int) -> str:
        return bytes([token]).decode(errors="replace") if token < 256 else f"<|{token}|>"


def scores_of(request: Request) -> PromptLogprobs:
    """Of a prompt: each token half a nat more likely than the one before it; the likeliest are the first ids."""
    others, top = len(request.prompt) - 1, request.top_logprobs
    ids = np.tile(np.arange(top, dtype=np.int32), (others, 1))
    return PromptLogprobs(np.arange(others, dtype=np.float32) / 2 - 9, ids, -1.0 - ids.astype(np.float32))


class FakeGeneration:
    """Draws the reply that a choice's seed picks, one token per choice and turn."""

    def __init__(self, request: Request, engine: "FakeEngine") -> None:
        self.request, self.engine = request, engine
        self.running = dict.fromkeys(range(len(request.seeds)), 0)
        self.closed, self.drawn, self.admission, self.prompt_logprobs = False, 0, None, None

    def __aiter__(self):
        return self._draw()

    async def _draw(self):
        if self.request.prompt_logprobs:
            self.prompt_logprobs = scores_of(self.request)
        if not self.request.sampling.max_tokens:
            self.admission = self.engine.admission
            return
        while self.running:
            for choice in list(self.running):
                await asyncio.sleep(self.engine.delay)
                if self.engine.failure is not None:
                    raise EngineFailed(self.engine.failure)
                if self.engine.fail_after is not None and self.drawn >= self.engine.fail_after:
                    raise self.engine.fail_with
                if choice in self.running:
                    self.admission = self.engine.admission
                    self.drawn += 1
                    yield self._event(choice)

    def _event(self, choice: int) -> TokenEvent:
        n, sampling = self.running[choice], self.request.sampling
        reply = self._reply(choice)
        token = reply[n] if n < len(reply) else PAD
        reason = "stop" if token in sampling.end_tokens else "length" if n + 1 == sampling.max_tokens else None
        self.running[choice] = n + 1
        if reason:
            del self.running[choice]
        top = tuple((other, -1.0 - other) for other in range(self.request.top_logprobs or 0))
        logprob = None if self.request.top_logprobs is None else float("-inf") if token == ord("H") else -0.5
        return TokenEvent(choice, token, logprob, top, reason, is_end=token in sampling.end_tokens)

    def _reply(self, choice: int) -> list[int]:
        return [*REPLIES[self.request.seeds[choice] % len(REPLIES)].encode(), END]

    def cancel(self, choice: int) -> None:
        self.running.pop(choice, None)

    async def aclose(self) -> None:
        await asyncio.sleep(0)  # a suspension point, at which a cancelled caller would be interrupted
        self.running.clear()
        self.closed = True


class FakeEngine:
    """delay: seconds per token. fail_after: tokens until requests fail. full: refuses everything.

    refuses: no grammar allows what is written. Once `failure` is set, all that run and all that come fail.
    """

    context_length, vocab_size, constraint_unsupported_reason = CONTEXT, VOCAB, None
    max_choices, max_choices_together = 128, 96
    rows, refuses, media = 16, False, None
    generation = FakeGeneration

    def __init__(self, delay: float = 0, fail_after: int | None = None, full: bool = False) -> None:
        self.delay, self.fail_after, self.full = delay, fail_after, full
        self.generations: list[FakeGeneration] = []
        self.adapters: dict[str, Path] = {}
        self.closed, self.failure = False, None
        self.fail_with: Exception = RuntimeError("the fake engine fails, with a secret in its message")
        self.admission = Admission(queued_seconds=0.25, cached_tokens=2)

    @property
    def adapter_names(self) -> tuple[str, ...]:
        return tuple(self.adapters)

    def load_adapter(self, name: str, folder: Path) -> None:
        if name in self.adapters:
            raise AdapterExists(name)
        if "wrong" in folder.name:
            raise ValueError(f"{folder}: rank 99 is too much; use_dora is not served")
        self.adapters[name] = folder

    def unload_adapter(self, name: str) -> None:
        if name not in self.adapters:
            raise UnknownAdapter(name)
        del self.adapters[name]

    def submit(self, request: Request) -> FakeGeneration:
        if self.full:
            raise QueueFull(7)
        if request.adapter is not None and request.adapter not in self.adapters:
            raise UnknownAdapter(request.adapter)
        if self.failure is not None:
            raise EngineFailed(self.failure)
        self.generations.append(self.generation(request, self))
        return self.generations[-1]

    def allows(self, request: Request) -> bool:
        return not self.refuses

    def stats(self) -> EngineStats:
        running = [generation for generation in self.generations if not generation.closed]
        return EngineStats(
            rows=self.rows, running=sum(len(generation.running) for generation in running), waiting=0,
            pages=100, page_tokens=16, pages_used=3 * len(running), pages_cached=5,
            prompt_tokens=sum(len(generation.request.prompt) for generation in self.generations),
            cached_tokens=self.admission.cached_tokens * len(self.generations),
            output_tokens=sum(generation.drawn for generation in self.generations),
            steps=0, dispatches=0, preemptions=0, compilations=0,
            adapters=len(self.adapters), adapter_slots=8, adapters_resident=0, adapter_bytes=0, adapters_placed=0,
            adapters_read=0,
        )  # fmt: skip

    def close(self) -> None:
        self.closed = True


class FakeCompiler:
    """Compiles nothing, and refuses what contains "refuse"; delayed: once told to `go`. busy: takes nothing.

    What contains "unknown" has a note of it; for "unavailable" no worker starts. clients: who asked. released: how
    often somebody did not wait any more.
    """

    def __init__(self, delayed: bool = False, busy: bool = False) -> None:
        self.constraints: list[Constraint] = []
        self.clients: list[str | None] = []
        self.released = 0
        self.go, self.busy, self.closed = threading.Event(), busy, False
        if not delayed:
            self.go.set()

    def compile(self, constraint: Constraint, client: str | None = None) -> Grammar:
        if self.busy:
            raise CompilerBusy(7)
        self.constraints.append(constraint)
        self.clients.append(client)
        grammar = Grammar(constraint, Future(), self._release)
        grammar.tables.set_running_or_notify_cancel()  # nobody can cancel it, as others may wait for it too
        threading.Thread(target=self._finish, args=(grammar,)).start()
        return grammar

    def _release(self) -> None:
        self.released += 1

    def _finish(self, grammar: Grammar) -> None:
        assert self.go.wait(5)
        if "refuse" in grammar.key.text:
            place = next(place_of_refusal(json.loads(grammar.key.text)), "") if grammar.key.kind == "structural" else ""
            grammar.tables.set_exception(GrammarError("keyword 'refuse' is not supported", f"{place}#/items"))
        elif "unavailable" in grammar.key.text:
            grammar.tables.set_exception(CompilerUnavailable("no worker starts, a secret"))
        elif "fault" in grammar.key.text:
            grammar.tables.set_exception(RuntimeError("a fault of ours, with a secret in its message"))
        else:
            grammar.tables.set_result(tables_of(grammar.key.text))

    def close(self) -> None:
        self.closed = True


def tables_of(text: str) -> Any:
    """What stands for the tables of a constraint."""
    place = "tools.0.function.parameters" if "tools.0" in text else ""
    notes = Notes((f"{place}#/format",), (f"{place}#/items/uniqueItems",)) if "unknown" in text else Notes()
    return SimpleNamespace(notes=notes)


def place_of_refusal(term: Any) -> Iterator[str]:
    """Of the schemas in structural terms that are refused."""
    if isinstance(term, list) and term[:1] == ["JsonSchema"]:
        if "refuse" in json.dumps(term[1]):
            yield term[2]
    elif isinstance(term, list):
        for part in term:
            yield from place_of_refusal(part)


def wait_until(condition: Callable[[], Any], seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


@contextmanager
def connected(
    engine: FakeEngine | None = None,
    tokenizer: FakeTokenizer | None = None,
    compiler: FakeCompiler | None = None,
    load: Any = None,
    format: Format = FORMAT,
    acceptance: Acceptance = ACCEPTANCE,
    report_cached_tokens: bool = True,
    adapter_folder: Path | None = None,
    **options: Any,
) -> Iterator[SimpleNamespace]:
    """`.client` of an application over these parts; waits until it is ready, unless `load` is given."""
    engine, tokenizer, compiler = engine or FakeEngine(), tokenizer or FakeTokenizer(), compiler or FakeCompiler()
    loader = load or (lambda: LoadedModel(engine, tokenizer, compiler, format))
    told = {"report_cached_tokens": report_cached_tokens, "adapter_folder": adapter_folder}
    service = Service(loader, ["tiny", "org/tiny"], acceptance=acceptance, **told)
    with TestClient(create_app(service, **options), raise_server_exceptions=False) as client:
        if load is None:
            wait_until(lambda: service.status == "ready")
        yield SimpleNamespace(client=client, service=service, engine=engine, tokenizer=tokenizer, compiler=compiler)


@contextmanager
def served(
    engine: FakeEngine | None = None,
    load: Any = None,
    compiler: FakeCompiler | None = None,
    drain_seconds: float = 5,
    stuck_seconds: float = 60,
    limits: ConnectionLimits = DEFAULT_LIMITS,
    **options: Any,
) -> Iterator[SimpleNamespace]:
    """A real server over these parts; it accepts connections, whether or not the model is loaded.

    `.signal()` is what SIGTERM does to it; `.thread` is alive until it has ended.
    """
    engine, compiler = engine or FakeEngine(), compiler or FakeCompiler()
    parts = LoadedModel(engine, FakeTokenizer(), compiler)
    service = Service(load or (lambda: parts), ["tiny"])
    server = Server(create_app(service), service, drain_seconds, limits, **options)
    server.config.timeout_graceful_shutdown = 1
    listener = listen("127.0.0.1", 0, stuck_seconds)
    port = listener.getsockname()[1]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_until(lambda: server.started)
        if load is None:
            wait_until(lambda: service.status == "ready")
        yield SimpleNamespace(
            port=port, url=f"http://127.0.0.1:{port}", service=service, engine=engine, thread=thread, server=server,
            compiler=compiler, signal=lambda: server.handle_exit(signal.SIGTERM, None),
        )  # fmt: skip
    finally:
        server.should_exit = True
        thread.join()


parts = SimpleNamespace(
    Engine=FakeEngine, Tokenizer=FakeTokenizer, Compiler=FakeCompiler, Text=FakeText,
    Generation=FakeGeneration, connected=connected,
    served=served, wait_until=wait_until, REPLIES=REPLIES, END=END, VOCAB=VOCAB, CONTEXT=CONTEXT,
)  # fmt: skip


@pytest.fixture(scope="session")
def fakes() -> SimpleNamespace:
    """The names above."""
    return parts


@pytest.fixture(scope="session")
def app(fakes: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """One ready application for the tests that need nothing special."""
    with connected() as app:
        yield app


@pytest.fixture(scope="session")
def post(app: SimpleNamespace) -> Callable[..., Any]:
    """`post(max_tokens=3)`: the response to a chat of one short message with these further parameters."""
    return posting(app)


@pytest.fixture(scope="session")
def post_strictly(fakes: SimpleNamespace) -> Iterator[Callable[..., Any]]:
    """The same to an application that serves the strict document."""
    with connected(acceptance=Acceptance(strict=True)) as app:
        yield posting(app)


def posting(app: SimpleNamespace) -> Callable[..., Any]:
    def post(**parameters: Any) -> Any:
        body = {"messages": [{"role": "user", "content": "Hi"}], **parameters}
        return app.client.post("/v1/chat/completions", json=body)

    return post
