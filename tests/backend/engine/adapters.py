"""Engines that serve adapters of the small decoder, more than the device holds."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from backend.engine.adapters import AdapterLibrary
from backend.engine.engine import Engine
from backend.engine.model_runner import ModelRunner
from backend.models.adapters.checkpoint import AdapterBase, read_adapter
from backend.models.decoder import Decoder
from backend.models.storage import module_at
from tests.backend.engine.conftest import TOKENS, Small, paged
from tests.backend.engine.scenarios import FREE
from tests.backend.models.adapters.writing import write_adapter

NAMES = tuple(f"adapter-{number}" for number in range(8))
PROJECTIONS = (("q_proj", "v_proj"), ("down_proj",), ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj"))
CONFIG = replace(FREE, row_buckets=(8,), prefill_shapes=((1, 8), (3, 8), (1, 8)), adapter_buckets=(3,), adapter_rank=8)
PLENTY = 1 << 30


@cache
def compiled(decoder: Decoder) -> ModelRunner:
    return ModelRunner(decoder, CONFIG, paged(decoder), TOKENS)


def write_all(decoder: Decoder, folder: Path) -> dict[str, Path]:
    """Adapters of several ranks, of one or many projections; all change what is drawn."""
    return {
        name: write_adapter(folder / name, decoder, 1 + i, PROJECTIONS[i % 3], seed=i, size=0.25)
        for i, name in enumerate(NAMES)
    }


def library(runner: ModelRunner, memory: int = PLENTY) -> AdapterLibrary:
    assert runner.adapters is not None
    return AdapterLibrary(runner.adapters.base, runner.adapters.stacks, runner.config.adapter_rank, memory)


@contextmanager
def serving(
    small: Small, folders: dict[str, Path], memory: int = PLENTY, runner: ModelRunner | None = None, **changes: Any
) -> Iterator[Engine]:
    """An engine with adapters; changes: of `CONFIG` that need no other programs."""
    runner = varied(small, **changes) if runner is None else runner
    engine = Engine(runner, adapters=library(runner, memory))
    try:
        for name, folder in folders.items():
            engine.load_adapter(name, folder)
        yield engine
    finally:
        engine.close()


def varied(small: Small, **changes: Any) -> ModelRunner:
    other = copy.copy(compiled(small.decoder))
    other.config = replace(CONFIG, **changes)
    return other


def merged(decoder: Decoder, folder: Path) -> Decoder:
    """The decoder with the adapter in its weights."""
    own, adapter = nnx.clone(decoder), read_adapter(folder, AdapterBase(decoder))
    for path, parameter in own.parameters().items():
        if path[0] == "layers" and path[-2:] == ("kernel", "values"):
            variable = module_at(own, path[:-1]).values
            tensors = dict(parameter.source.split(np.asarray(variable.get_value())))
            for name in tensors.keys() & {f"{name}.weight" for name in adapter.matrices}:
                down, up = adapter.matrices[name.removesuffix(".weight")]
                tensors[name] = tensors[name] + up @ down
            out = np.empty(parameter.source.shape, np.float32)
            parameter.source.read(tensors, tuple(slice(0, size) for size in out.shape), out)
            variable.set_value(jnp.asarray(out))
    return own
