"""Decoding without servers, in one process: our engine beside llama.cpp in float32 and in some quantisations."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import checkpoint
from benchmarks.decode import PAUSE
from benchmarks.peers import Jaxchat
from benchmarks.serving.models import Model
from benchmarks.timeline import Timeline, same_tokens

if TYPE_CHECKING:
    from benchmarks.serving.llama_cpp_decoding import LlamaCpp

log = logging.getLogger(__name__)


def run(
    model: Model, ggufs: Mapping[str, Path], rows: Sequence[int], prompt: int, new: int, rounds: int
) -> list[dict[str, object]]:
    """Per number of rows and side: tokens per second in each round, of decoding alone and with the prompts."""
    records, files = [], list(ggufs.items())
    for batch in rows:
        log.info("decoding %s with %d rows", model.name, batch)
        ours = Jaxchat(model.folder, prompt + new, (batch,))
        with ExitStack() as stack:
            peers = [stack.enter_context(closing(_llama_cpp(kind, file, batch, prompt + new))) for kind, file in files]
            records += _compare(model, [ours, *peers], batch, prompt, new, rounds)
    return records


def _llama_cpp(kind: str, file: Path, rows: int, context: int) -> "LlamaCpp":
    from benchmarks.serving.llama_cpp_decoding import LlamaCpp

    return LlamaCpp(f"llama.cpp {kind}", file, rows, context)


def _compare(model: Model, sides: list, batch: int, prompt: int, new: int, rounds: int) -> list[dict[str, object]]:
    prompts = np.random.default_rng(checkpoint.SEED).integers(model.vocab, size=(rounds + 1, batch, prompt))
    found: dict[str, list[Timeline]] = {side.name: [] for side in sides}
    for turn, ids in enumerate(prompts):
        for side in sides[turn % len(sides) :] + sides[: turn % len(sides)]:
            time.sleep(PAUSE)
            timeline = side.generate(ids, new)
            if turn:  # the first round warms up
                found[side.name].append(timeline)
    expected = found[Jaxchat.name]
    return [
        {
            "model": model.name,
            "rows": batch,
            "side": name,
            "decode": [t.decode_rate for t in timelines],
            "whole": [t.whole_rate for t in timelines],
            "same": min(same_tokens(a, b) for a, b in zip(timelines, expected, strict=True)),
        }
        for name, timelines in found.items()
    ]
