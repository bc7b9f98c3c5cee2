"""The sides: each loads the same checkpoint and continues the same prompts greedily."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import jax.numpy as jnp
import numpy as np
import torch
from transformers import LlamaForCausalLM
from transformers.generation.streamers import BaseStreamer

from backend import device
from backend.attention.choice import paged_attention
from backend.engine.config import EngineConfig
from backend.engine.model_runner import ModelRunner
from backend.engine.request_state import RequestState
from backend.engine.scheduler import Scheduler
from backend.grammar import Grammar
from backend.models import weights
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import kv_specs
from backend.models.storage import Storage
from backend.request import Prompt, Request, SamplingParams, TokenEvent
from benchmarks.timeline import Timeline

FLOAT32 = Storage(jnp.dtype("float32"), jnp.dtype("float32"), "none")


class Side(Protocol):
    """One of those who are compared. It uses no core except while `generate` runs."""

    name: str

    def generate(self, prompts: np.ndarray, new: int) -> Timeline:
        """Continue prompts int [B, T] greedily by `new` tokens each."""


class Jaxchat:
    """Our engine: its scheduler, driven from this thread as the engine's own thread would drive it.

    storage: in which types weights are kept and multiplied; float32 where nobody says otherwise.
    """

    name = "jaxchat"

    def __init__(
        self,
        checkpoint: Path,
        context: int,
        rows: tuple[int, ...],
        tokens: Sequence[bytes] = (),
        storage: Storage = FLOAT32,
    ) -> None:
        device.set_up()
        decoder = weights.load(open_checkpoint(checkpoint), storage)
        config = EngineConfig(context, pages=rows[-1] * -(-context // 16), row_buckets=rows, read_behind=False)
        backend = paged_attention(kv_specs(decoder.config), jnp.dtype("float32"), config.page_tokens)
        self._scheduler = Scheduler(ModelRunner(decoder, config, backend, tokens))

    def generate(
        self, prompts: np.ndarray, new: int, temperature: float = 0.0, grammar: Grammar | None = None
    ) -> Timeline:
        """One request per row, all of them queued before the first step."""
        sampling = SamplingParams(max_tokens=new, end_tokens=(), temperature=temperature)
        received: list[list[TokenEvent]] = [[] for _ in prompts]
        arrivals: list[list[float]] = [[] for _ in prompts]
        began = time.perf_counter()
        for prompt, events in zip(prompts.tolist(), received, strict=True):
            request = Request(Prompt(tuple(prompt)), sampling, seeds=(0,), grammar=grammar)
            self._scheduler.add(RequestState(request, events.extend, fail=_raise))
        while self._scheduler.step():
            now = time.perf_counter() - began
            for events, times in zip(received, arrivals, strict=True):
                times += [now] * (len(events) - len(times))
        return Timeline(np.array([[event.token for event in events] for events in received]), np.array(arrivals))


def _raise(error: Exception) -> None:
    raise error


@dataclass(frozen=True)
class Settings:
    """How transformers generates: the attention implementation and the kind of cache."""

    attention: str
    cache: str

    def __str__(self) -> str:
        return f"{self.attention} attention, {self.cache} cache"


ORDINARY = (Settings("sdpa", "dynamic"), Settings("sdpa", "static"), Settings("eager", "dynamic"))


class Transformers:
    """transformers' `generate` in float32 on all cores, without torch.compile."""

    name = "transformers"

    def __init__(self, folder: Path, cores: int) -> None:
        torch.set_num_threads(cores)
        self._model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.settings = ORDINARY[0]

    def generate(self, prompts: np.ndarray, new: int) -> Timeline:
        """One call of `generate` for all rows."""
        ids, clock = torch.from_numpy(prompts), _Clock()
        with torch.inference_mode():
            out = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=new,
                cache_implementation=self.settings.cache,
                streamer=clock,
            )
        tokens = out[:, ids.shape[1] :].numpy()
        return Timeline(tokens, np.tile(clock.arrivals(), (len(prompts), 1)))

    def choose(self, prompts: np.ndarray, new: int) -> None:
        """Try every ordinary setting on this batch, each once warm, and keep the one that decodes fastest."""
        rates = {settings: self._warm_rate(settings, prompts, new) for settings in ORDINARY}
        self._use(max(ORDINARY, key=rates.__getitem__))

    def _warm_rate(self, settings: Settings, prompts: np.ndarray, new: int) -> float:
        self._use(settings)
        self.generate(prompts, 2)
        return self.generate(prompts, new).decode_rate

    def _use(self, settings: Settings) -> None:
        self.settings = settings
        self._model.set_attn_implementation(settings.attention)


class _Clock(BaseStreamer):
    """Notes when `generate` hands out each step's tokens; what it hands out first are the prompts."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._times: list[float] = []

    def put(self, value: torch.Tensor) -> None:
        self._times.append(time.perf_counter() - self._began)

    def end(self) -> None:
        """Nothing is buffered."""

    def arrivals(self) -> np.ndarray:
        """float64 [N] seconds."""
        return np.array(self._times[1:])
