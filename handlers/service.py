"""What the routes work with: the loaded model and its state, shared by all requests of the process."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from connexion.context import scope as current_scope

from backend import EngineStats, Modality, Task
from handlers.http.errors import APIError, engine_failed
from handlers.http.lifecycle import ActiveRequests
from handlers.loaded import LoadedModel, Model, PoolingModel
from handlers.metrics import Metrics

logger = logging.getLogger(__name__)
Status = Literal["loading", "ready", "failed", "draining"]
LEAST_BODY_BYTES = 2 << 20
RETRY_AFTER = {"Retry-After": "5"}


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
