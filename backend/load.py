"""A model's name -> an engine that is warm, with a line of log for each thing worth knowing on the way."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
from flax import nnx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn

from backend import device
from backend.attention.reference import CHUNK
from backend.engine.config import EngineConfig, row_buckets
from backend.engine.engine import Engine
from backend.engine.programs import Programs
from backend.engine.state import cache_bytes
from backend.models import families, hub, weights
from backend.models.config import DecoderConfig
from backend.models.decoder import Decoder

log = logging.getLogger(__name__)

MEMORY_SHARE = 0.8
"""Of the device's memory, what weights and cache may take; the rest is for what the programs compute."""


@dataclass(frozen=True)
class LoadOptions:
    """What may be chosen about a model; context and dtype None: what the checkpoint allows, what suits the device.

    memory_fraction: of the device's memory, what weights and cache may take. kv_cache_tokens: positions that the cache
    holds for all rows together, None for what the rows can use and memory allows.
    """

    model: str = "tiny"
    revision: str | None = None
    rows: int = 16
    context: int | None = None
    dtype: str | None = None
    max_queue: int = 1024
    compilation_cache: Path | None = None
    memory_fraction: float = 0.8
    kv_cache_tokens: int | None = None
    deterministic: bool = False


def load_engine(options: LoadOptions, folder: Path, tokens: Sequence[bytes]) -> Engine:
    """Load the checkpoint in `folder`, compile every program, start the engine. Raises CheckpointError, ValueError.

    tokens: the bytes that each token adds to a text, b"" for special ones.
    """
    began = time.monotonic()
    device.set_up(options.compilation_cache)
    dtype = jnp.dtype(options.dtype or device.default_dtype())
    config = families.read_config(folder)
    log.info("device: %s", device.describe())
    context = choose_context(options, config, dtype, device.memory())
    with _bar("weights", DownloadColumn()) as progress:
        decoder = weights.load(folder, config, dtype, progress)
    _log_sizes(options, decoder, cache_bytes(config, options.rows, context, dtype), context)
    engine_config = EngineConfig(context, row_buckets(options.rows), max_queue=options.max_queue)
    with _bar("compiling", MofNCompleteColumn()) as progress:
        engine = Engine(Programs(decoder, engine_config, dtype, tokens, progress))
    log.info("ready after %.1f s", time.monotonic() - began)
    return engine


def choose_context(options: LoadOptions, config: DecoderConfig, dtype: jnp.dtype, memory: int) -> int:
    """Tokens that a row may have: what was asked for or the model allows, as far as `memory` bytes hold the cache.

    Raises ValueError where the weights, or the cache of what was asked for, do not fit.
    """
    decoder = nnx.eval_shape(lambda: Decoder(config, dtype=dtype, rngs=nnx.Rngs(0)))
    room = int(MEMORY_SHARE * memory) - sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(nnx.state(decoder)))
    fitting = CHUNK * max(0, room // cache_bytes(config, options.rows, CHUNK, dtype))
    wanted = min(options.context or config.context, config.context)
    if fitting < (wanted if options.context else min(wanted, CHUNK)):
        raise ValueError(
            f"the weights and a cache of {options.rows} rows of {wanted} tokens take more than the device's memory of "
            f"{device.mebibytes(memory)}; lower --max-batch-size or --max-context-length, or take a smaller model"
        )
    return min(wanted, fitting)


def resolve_folder(options: LoadOptions) -> Path:
    """The local folder of the model, downloaded if need be. Raises CheckpointError."""
    return hub.resolve(options.model, options.revision)


def _log_sizes(options: LoadOptions, decoder: Decoder, cache: int, context: int) -> None:
    leaves, config = jax.tree.leaves(nnx.state(decoder)), decoder.config
    weights_size, dtype = sum(leaf.nbytes for leaf in leaves), max(leaves, key=lambda leaf: leaf.nbytes).dtype.name
    shape = f"{len(config.layers)} layers, vocabulary {config.vocab}"
    log.info("model: %s, %s, weights %s in %s", options.model, shape, device.mebibytes(weights_size), dtype)
    log.info("cache: %d rows of %d tokens, %s", options.rows, context, device.mebibytes(cache))


@contextmanager
def _bar(label: str, column: ProgressColumn) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; silent where that is not a terminal."""
    columns, console = (TextColumn("{task.description}"), BarColumn(), column), Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(label)
        yield lambda done, total: bars.update(task, completed=done, total=total)
