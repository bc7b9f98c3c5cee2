"""What the routes work with: the loaded model and its state, shared by all requests of the process."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from connexion.context import scope as current_scope

from backend import (
    Admission,
    Encoded,
    EngineStats,
    FilmInfo,
    Medium,
    Modality,
    PoolingConfig,
    Prompt,
    PromptLogprobs,
    Request,
    Task,
    TokenEvent,
)
from backend.grammar import Constraint, Grammar, Marker
from handlers.formats.syntax import Format
from handlers.http.errors import APIError, engine_failed
from handlers.http.lifecycle import ActiveRequests
from handlers.media.reader import MediaReader
from handlers.metrics import Metrics
from handlers.text.shown_media import ShownMedium
from handlers.text.template import Ending, FieldPlace

logger = logging.getLogger(__name__)
Status = Literal["loading", "ready", "failed", "draining"]
LEAST_BODY_BYTES = 2 << 20
RETRY_AFTER = {"Retry-After": "5"}


class Generation(Protocol):
    """The token events of one request, in the order they were drawn; ends when every choice has finished.

    Iterating may raise backend.RequestFailed or backend.EngineFailed.
    """

    @property
    def admission(self) -> Admission | None:
        """How the request got into the batch; None before that, set before the first event."""
        ...

    @property
    def prompt_logprobs(self) -> PromptLogprobs | None:
        """Those of the prompt's tokens, where they were asked for; None before the first event."""
        ...

    @property
    def pooled(self) -> np.ndarray | None:
        """What the prompt was pooled to, float32, where that was asked for; None before the end."""
        ...

    def __aiter__(self) -> AsyncIterator[TokenEvent]: ...

    def cancel(self, choice: int) -> None:
        """Ends one choice: no further events of it come."""
        ...

    async def aclose(self) -> None:
        """Ends all choices and frees their rows. May be called more than once."""
        ...


class Engine(Protocol):
    """Draws tokens.

    context_length: positions, prompt included. max_choices: largest `n` of one request, however many rows there are.
    max_choices_together: of several requests that one client, which has no others, makes at once.
    failure: why it can never draw again, None while it can. constraint_unsupported_reason: why no grammar can be
    enforced with this model, None where it can.
    """

    context_length: int
    vocab_size: int
    max_choices: int
    max_choices_together: int
    failure: str | None
    constraint_unsupported_reason: str | None

    @property
    def adapter_names(self) -> tuple[str, ...]:
        """The adapters that requests may name."""
        ...

    def load_adapter(self, name: str, folder: Path) -> None:
        """Lets requests name an adapter; raises ValueError that says all that is wrong, backend.AdapterExists."""
        ...

    def unload_adapter(self, name: str) -> None:
        """Lets no more requests name an adapter; raises backend.UnknownAdapter."""
        ...

    def submit(self, request: Request) -> Generation:
        """Queues a request; raises backend.QueueFull, backend.UnknownAdapter or backend.EngineFailed."""
        ...

    def allows(self, request: Request) -> bool:
        """Whether the request's grammar, which is compiled, allows what is written already."""
        ...

    def stats(self) -> EngineStats:
        """Its figures now; may be asked by any thread."""
        ...

    def close(self) -> None: ...


class Compiler(Protocol):
    """Makes grammars."""

    def compile(self, constraint: Constraint, client: str | None = None) -> Grammar:
        """At once; its tables follow, or fail with GrammarError. Raises backend.grammar.CompilerBusy.

        client: to whose share of the compilers it counts, None for nobody's.
        """
        ...

    def close(self) -> None: ...


class IncrementalDetokenizer(Protocol):
    """The text of one choice, token by token. read: characters so far, those held back included."""

    read: int

    @property
    def stopped_by(self) -> str | None:
        """The stop string that was found, "" for stop tokens, None for neither; the text ended before it."""
        ...

    def feed(self, token: int) -> str:
        """Text that is now certain; never part of a character, of a stop string or of a sequence of stop tokens."""
        ...

    def finish(self) -> str:
        """The rest of the text, after the choice's last token."""
        ...


class TextTokenizer(Protocol):
    """Texts to token ids and back. longest_token: bytes of the longest token."""

    vocab_size: int
    longest_token: int

    def exceeds(self, texts: Iterable[str], tokens: int) -> bool:
        """Whether texts are certainly more tokens than that; they are read no further than it takes to know."""
        ...

    def encode_text(self, text: str, *, begins: bool = True) -> list[int]:
        """The ids of a text. begins: it is a whole one, with what the model's tokenizer adds to such."""
        ...

    def decode_tail(self, prompt: Sequence[int], tokens: int) -> str:
        """The text of the last tokens of a prompt, special ones included."""
        ...


class ChatTokenizer(TextTokenizer, Protocol):
    """Messages to token ids and back. end_tokens: the model's own."""

    end_tokens: tuple[int, ...]

    def encode_chat(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None,
        template_kwargs: dict[str, Any],
        reasoning_effort: str | None,
        ending: Ending = "answer",
        media: Sequence[ShownMedium] = (),
    ) -> list[int]:
        """The prompt; raises handlers.text.template.PromptError where the model's template refuses the messages."""
        ...

    def template_knows(self, name: str) -> bool:
        """Whether the model's template reads the variable `name`."""
        ...

    def effort_variables(self, level: str) -> dict[str, Any]:
        """The variables of the model's template that set a level of reasoning effort; {} where it knows none."""
        ...

    def template_shows(self, place: FieldPlace, name: str) -> bool:
        """Whether a text in a field changes the prompt.

        place: the role of the messages that have the field, or "function" for the definitions of tools.
        """
        ...

    def detokenizer(
        self,
        prompt: Sequence[int],
        stop: Sequence[str],
        markers: Sequence[str] = (),
        min_tokens: int = 0,
        stop_tokens: Sequence[Sequence[int]] = (),
    ) -> IncrementalDetokenizer:
        """stop, stop_tokens: texts and sequences of tokens that end the text before them. markers: texts in which
        special tokens are shown. min_tokens: of the choice, before one of the former counts.
        """
        ...

    def spell(self, text: str) -> Marker:
        """A text with the model's control tokens told apart."""
        ...

    def marker_tokens(self, marker: str) -> tuple[int, ...]:
        """Tokens that write this very text; raises ValueError where there are none."""
        ...

    def token_bytes(self, token: int) -> bytes | None:
        """None for tokens without text of their own, such as end tokens."""
        ...

    def token_text(self, token: int) -> str: ...


class MediaEncoder(Protocol):
    """What a model sees and hears with. May be asked by any thread.

    modalities: those that it takes, at least one. film_sound: whether the sound of a film is wanted beside its frames.
    placeholders: the id of the token that the model's chat template writes for a medium of each modality.
    """

    modalities: frozenset[Modality]
    film_sound: bool
    placeholders: Mapping[Modality, int]

    def choose_frames(self, film: FilmInfo) -> Sequence[int]:
        """The frames of a film that the model is shown: at least one, ascending, within `film.times`."""
        ...

    def find(self, key: str) -> Encoded | None:
        """What is kept of the medium with this key, at once."""
        ...

    def written(self, medium: Medium | Encoded) -> tuple[str | int, ...]:
        """What stands for a medium in the prompt, in place of its placeholder: text, and ids of control tokens.

        Raises ValueError for a medium that the model cannot take, such as one too small.
        """
        ...

    def encode(self, medium: Medium, unwanted: Callable[[], bool]) -> Encoded | None:
        """What the model makes of a medium that can be `written`; None where it became `unwanted` meanwhile."""
        ...

    def prompt(self, tokens: Sequence[int], media: Sequence[Encoded]) -> Prompt:
        """The prompt of token ids in which what is `written` of each medium stands, in order."""
        ...


@dataclass(frozen=True)
class LoadedModel:
    """A model that can answer.

    format: how it writes calls and reasoning. parse_reasoning: unless a request says it. sampling_defaults: values of
    the sampling parameters that a request does not name, where they are not those of the API document.
    encoder: of pictures, sound and film; None for a model of text alone. reader: of the media of requests; without one
    the model takes text alone too.
    """

    engine: Engine
    tokenizer: ChatTokenizer
    compiler: Compiler
    format: Format = field(default_factory=Format)
    parse_reasoning: bool = False
    sampling_defaults: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    encoder: MediaEncoder | None = None
    reader: MediaReader | None = None

    @property
    def modalities(self) -> frozenset[Modality]:
        """What it takes beside text."""
        return frozenset() if self.encoder is None or self.reader is None else self.encoder.modalities

    def close(self) -> None:
        """Ends everything that runs."""
        if self.reader is not None:
            self.reader.close()
        self.compiler.close()
        self.engine.close()


@dataclass(frozen=True)
class PoolingModel:
    """A model that draws no tokens: it embeds texts or classifies them, as `pooling` says."""

    engine: Engine
    tokenizer: TextTokenizer
    pooling: PoolingConfig

    def close(self) -> None:
        """Ends everything that runs."""
        self.engine.close()


Model = LoadedModel | PoolingModel
SERVED: dict[Task, tuple[str, str]] = {
    "generate": (
        "a checkpoint that generates text (architectures ...ForCausalLM)",
        "/v1/chat/completions, /v1/completions, /v1/messages and /v1/responses",
    ),
    "embed": ("an embedding model (a checkpoint with sentence-transformers' modules.json)", "/v1/embeddings"),
    "classify": ("a checkpoint with a classification head (architectures ...ForSequenceClassification)", "/classify"),
}
"""What a checkpoint is for: its kind, and where it is served."""


@dataclass(frozen=True)
class Acceptance:
    """What is taken of requests.

    strict: what the vendored document says, and nothing else of OpenAI's API. clamp_max_tokens: a length beyond what
    the context has room for means what there is room for, and is named as ignored.
    """

    strict: bool = False
    clamp_max_tokens: bool = False


class ServedModel(NamedTuple):
    """What a request's `model` means. name: as answers carry it. adapter: the name of one, None for the base model."""

    name: str
    adapter: str | None = None


class Service:
    """The model of this process. It loads in the background, so that the port answers while it does.

    load: makes the model and warms it up; called once, in a thread of its own, at start.
    model_names: the names that requests may give; the first is the one that answers carry.
    request_timeout: seconds from a request's arrival to the end of its answer, None for any time.
    acceptance: what is taken of requests.
    report_cached_tokens: answers tell how much of their prompt was cached.
    adapter_folder: from where adapters may be loaded while the server runs, None for not at all. adapter_turn: held by
    the one request that loads an adapter, since each takes memory and a thread.
    requests: those that are being answered. metrics: what is counted of them.
    """

    def __init__(
        self,
        load: Callable[[], Model],
        model_names: Sequence[str],
        request_timeout: float | None = None,
        acceptance: Acceptance = Acceptance(),
        report_cached_tokens: bool = True,
        adapter_folder: Path | None = None,
    ) -> None:
        if not model_names:
            raise ValueError("a service needs at least one model name")
        self.model_names = tuple(model_names)
        self.request_timeout, self.acceptance = request_timeout, acceptance
        self.report_cached_tokens, self.adapter_folder = report_cached_tokens, adapter_folder
        self.adapter_turn = asyncio.Lock()
        self.requests = ActiveRequests()
        self.metrics = Metrics(self.engine_stats)
        self.created = int(time.time())
        self._status: Status = "loading"
        self._reason: str | None = None
        self._load = load
        self._loaded: Model | None = None
        self._lock = threading.Lock()
        # A daemon: a server that is stopped while loading need not wait for it.
        self._loader = threading.Thread(target=self._run_load, name="load", daemon=True)

    @property
    def loading(self) -> bool:
        """Whether the thread that loads the model still runs, whatever the status is."""
        return self._loader.is_alive()

    @property
    def status(self) -> Status:
        """The state of the model; "failed" also when its engine has stopped since it was loaded."""
        return "failed" if self._status == "ready" and self.reason is not None else self._status

    @property
    def reason(self) -> str | None:
        """Why the model cannot answer and will not, None where it can or will."""
        return self._reason if self._loaded is None else self._loaded.engine.failure

    @property
    def model(self) -> Model:
        """The model, of whatever kind; raises APIError 503 unless the status is "ready"."""
        if self.status != "ready" or self._loaded is None:
            raise self.unavailable()
        return self._loaded

    @property
    def loaded(self) -> LoadedModel:
        """The model that generates text; raises APIError 503 as `model` does, 422 where it is of another kind."""
        model = self.model
        if isinstance(model, PoolingModel):
            raise self._of_another_kind("generate", model.pooling.task)
        return model

    def pooling_model(self, task: Task) -> PoolingModel:
        """The model that embeds or classifies; raises APIError 503 as `model` does, 422 where it is of another kind."""
        model = self.model
        own: Task = model.pooling.task if isinstance(model, PoolingModel) else "generate"
        if own != task or not isinstance(model, PoolingModel):
            raise self._of_another_kind(task, own)
        return model

    def _of_another_kind(self, wanted: Task, own: Task) -> APIError:
        kind, paths = SERVED[own]
        message = (
            f"{SERVED[wanted][0]} serves this, and {self.model_names[0]} is {kind}; use {paths}, or start the server "
            "with another model"
        )
        return APIError(422, message, code="unsupported_by_model")

    @property
    def task(self) -> Task | None:
        """What the model is for, None where it is not loaded."""
        loaded = self._loaded
        if loaded is None:
            return None
        return loaded.pooling.task if isinstance(loaded, PoolingModel) else "generate"

    @property
    def modalities(self) -> frozenset[Modality] | None:
        """What the model takes beside text, None before it is loaded."""
        loaded = self._loaded
        return loaded.modalities if isinstance(loaded, LoadedModel) else None if loaded is None else frozenset()

    @property
    def context(self) -> int:
        """Tokens of the model's context, 0 before it is loaded."""
        return 0 if self._loaded is None else self._loaded.engine.context_length

    @property
    def body_bytes(self) -> int:
        """Bytes of a request's body that the model can use: 8 for each token of its context, at least 2 MiB, and the
        media that a request may have, in base64, where it takes any."""
        loaded = self._loaded
        if loaded is None:
            return LEAST_BODY_BYTES
        reader = loaded.reader if isinstance(loaded, LoadedModel) and loaded.modalities else None
        media = 0 if reader is None else reader.limits.bytes * 4 // 3
        return max(LEAST_BODY_BYTES, 8 * loaded.engine.context_length) + media

    def unavailable(self) -> APIError:
        """503 that says why; with Retry-After unless it is for good."""
        status = self.status
        if status == "failed":
            return engine_failed()
        messages = {
            "loading": "the model is still loading; try again in a few seconds",
            "draining": "the server is shutting down; send the request again when it is back",
        }
        return APIError(503, messages.get(status, status), code=status, headers=RETRY_AFTER)

    def engine_stats(self) -> EngineStats | None:
        """The engine's figures now, None where there is no engine."""
        loaded = self._loaded
        return None if loaded is None else loaded.engine.stats()

    @property
    def all_names(self) -> tuple[str, ...]:
        """The names that a request's `model` may give now: the base model's, then those of adapters."""
        loaded = self._loaded
        return self.model_names + (() if loaded is None else loaded.engine.adapter_names)

    def resolve_model(self, name: str | None) -> ServedModel:
        """What a request's `model` means; raises APIError 404. None and "" mean the base model."""
        if not name or name in self.model_names:
            return ServedModel(self.model_names[0])
        if name in self.all_names:
            return ServedModel(name, adapter=name)
        raise self.unknown_model(name)

    def unknown_model(self, name: str) -> APIError:
        """404 that lists the names there are."""
        known = ", ".join(self.all_names)
        return APIError(404, f"there is no model {name!r}; there is {known}", param="model", code="model_not_found")

    def start(self) -> None:
        """Begins to load; called once."""
        self._loader.start()

    def drain(self) -> None:
        """Refuses new requests from now on; those that run go on."""
        with self._lock:
            self._status = "draining"

    def close(self) -> None:
        """Drains and closes the model. `reason` stays: an engine that was closed has not failed."""
        self.drain()
        loaded = self._loaded
        if loaded is not None:
            self._reason, self._loaded = loaded.engine.failure, None
            loaded.close()

    def _run_load(self) -> None:
        try:
            loaded = self._load()
        except Exception as error:
            # A ValueError says all there is to say: the model or a setting is not what it should be.
            logger.error("the model could not be loaded: %s", error, exc_info=not isinstance(error, ValueError))
            self._finish("failed", reason=str(error) or type(error).__name__)
        else:
            self._finish("ready", loaded)

    def _finish(self, status: Status, loaded: Model | None = None, reason: str | None = None) -> None:
        with self._lock:
            draining = self._status == "draining"
            if not draining:
                self._loaded, self._reason, self._status = loaded, reason, status
        if draining and loaded is not None:
            loaded.close()


def current_service() -> Service:
    """The service of the application that handles the current request."""
    service: Service = current_scope["state"]["service"]
    return service
