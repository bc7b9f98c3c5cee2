"""A model's name -> an engine that is warm, with a line of log for each thing worth knowing on the way."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
from jax.sharding import Mesh

from backend import device, host, native
from backend.engine.adapters import AdapterLibrary
from backend.engine.config import EngineConfig
from backend.engine.device_adapters import reserved_stacks
from backend.engine.engine import Engine
from backend.engine.hosts import Follower, Leader, LeadingRunner, agree, follow, meet
from backend.engine.model_runner import CUDA_GRAPHS, ModelRunner, compile_all
from backend.engine_plan import LoadOptions, plan_engine, size_lines
from backend.media import Modality
from backend.models import hub, weights
from backend.models.adapters.catalogue import resolve_adapter
from backend.models.adapters.checkpoint import AdapterBase
from backend.models.adapters.stack import stack_bytes
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder
from backend.pooling import PoolingConfig
from backend.programs import kept_programs
from backend.progress import progress

log = logging.getLogger(__name__)
AGREED = (
    *("revision", "rows", "context", "dtype", "quantization", "kv_cache_tokens", "kv_cache_dtype", "deterministic"),
    "mesh",
)
"""Options that are the same in every process of an engine."""


def join_hosts(coordinator: str, processes: int | None = None, process: int | None = None) -> Leader | Follower:
    """Makes the devices of this process and of all others one set; before anything else is asked of a device.

    coordinator: host:port of the first process, "auto" for what the cluster says of all three. processes: how many.
    process: which of them this is. Raises ValueError where they do not meet.
    """
    device.set_up()
    try:
        if coordinator == "auto":
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(coordinator, processes, process)
        return meet()
    except (RuntimeError, OSError) as error:
        raise ValueError(f"--coordinator {coordinator}: the processes did not meet: {error}") from error


def load_engine(options: LoadOptions, path: Path, tokens: Sequence[bytes], leader: Leader | None = None) -> Engine:
    """Load the checkpoint at `path`, compile every program, start the engine. Raises CheckpointError, ValueError.

    tokens: the bytes that each token adds to a text, b"" for special ones. leader: of the other hosts, None for none.
    """
    began = time.monotonic()
    device.set_up()
    log.info("device: %s", device.describe())
    with kept_programs(options.compilation_cache) as keep:
        runner, library = _make_runner(options, path, tokens, keep, leader)
        engine = Engine(runner, options.media_cache_bytes, library, leader)
        speed = engine.measure() if engine.pooling is None else None
    found = "" if speed is None else f"; one stream is decoded at {speed:.3g} tokens/s"
    log.info("ready after %.1f s%s", time.monotonic() - began, found)
    return engine


def follow_engine(options: LoadOptions, path: Path, tokens: Sequence[bytes], follower: Follower) -> None:
    """Load what the leader's `load_engine` loads, and repeat what its engine does until it lets go."""
    log.info("process %d of %d; device: %s", jax.process_index(), jax.process_count(), device.describe())
    with kept_programs(options.compilation_cache) as keep:
        # What adapters are, the leader alone reads, and tells.
        runner, _ = _make_runner(replace(options, adapters={}), path, tokens, keep, follower)
    log.info("ready, and follows process 0")
    follow(runner, follower)


def _make_runner(
    options: LoadOptions, path: Path, tokens: Sequence[bytes], keep: Callable[[], None], hosts: Leader | Follower | None
) -> tuple[ModelRunner, AdapterLibrary | None]:
    """The runner of the checkpoint at `path`, and its adapters; calls `keep` after every program."""
    plan = plan_engine(options, path)
    if hosts is not None:
        agree(hosts, options, AGREED)
        plan = plan._replace(sizes=agree(hosts, plan.sizes))
    with progress("weights", _bytes_text) as update:
        decoder = weights.load(plan.checkpoint, plan.storage, update, plan.mesh)
    for line in size_lines(options, plan):
        log.info(line)
    sizes, backend, mesh = plan.sizes, plan.backend, plan.mesh
    library = None if isinstance(hosts, Follower) else read_adapters(options, decoder, sizes, mesh)
    del plan  # its checkpoint's files are mapped: what was read of them stays resident as long as they are
    reason = native.unavailable_reason()
    if reason is not None and device.activation_dtype() is not None:
        log.warning("products are left to XLA, which takes two to five times as long: %s", reason)
    with progress("compiling", lambda done, total: f"{done} of {total} programs") as update:

        def compiled(done: int, total: int) -> None:
            keep()
            update(done, total)

        compiler = partial(compile_all, decode_options=CUDA_GRAPHS if options.cuda_graphs else None)
        parts = (decoder, sizes, backend, tokens, compiled, mesh, compiler)
        runner = LeadingRunner(hosts, *parts) if isinstance(hosts, Leader) else ModelRunner(*parts)
        return runner, library


def read_adapters(
    options: LoadOptions, decoder: Decoder, sizes: EngineConfig, mesh: Mesh | None
) -> AdapterLibrary | None:
    """The adapters that are asked for; None for an engine that serves none. Raises CheckpointError, ValueError."""
    if not sizes.adapter_slots:
        return None
    base = AdapterBase(decoder)
    empty = jax.eval_shape(partial(reserved_stacks, base, sizes, mesh))
    library = AdapterLibrary(base, empty, sizes.adapter_rank, options.adapter_memory, mesh)
    for name, place in options.adapters.items():
        library.add(name, resolve_adapter(place))
    held = f"{sizes.adapter_slots} on the device at a time, of rank {sizes.adapter_rank} at most"
    size = device.mebibytes(stack_bytes(empty))
    log.info("adapters: %s; %s, which take %s", ", ".join(library.names) or "none yet", held, size)
    return library


def pooling_of(path: Path) -> PoolingConfig | None:
    """What the checkpoint at `path` makes of texts in place of tokens, None for one that generates.

    Raises CheckpointError.
    """
    return open_checkpoint(path).config.pooling


def modalities_of(path: Path) -> frozenset[Modality]:
    """What the model at `path` takes beside text. Raises CheckpointError."""
    media = open_checkpoint(path).config.media
    return frozenset() if media is None else frozenset(media.placeholders)


def describe_machine() -> str:
    """The device and what is available of its memory, the machine's cores and memory, JAX's version; for people."""
    machine = f"{host.cores()} cores, {device.mebibytes(host.memory())}"
    return f"{device.describe()}; the machine has {machine}; jax {jax.__version__}"


def download_bytes(options: LoadOptions) -> int:
    """What `resolve_checkpoint` would download; raises CheckpointError where it would."""
    return hub.download_bytes(options.model, options.revision, cache=options.model_cache)


def resolve_checkpoint(options: LoadOptions) -> Path:
    """The local folder or GGUF file of `options.model`, from the hub if need be. Raises CheckpointError."""
    return hub.resolve(options.model, options.revision, cache=options.model_cache)


def _bytes_text(done: int, total: int) -> str:
    return f"{device.mebibytes(done)} of {device.mebibytes(total)}"
