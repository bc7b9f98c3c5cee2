"""What an engine will be, by what was chosen and what its checkpoint says of itself; reads no weights but adapters'."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from backend import device, native
from backend.attention import AttentionBackend, KVSpec
from backend.attention.choice import paged_attention
from backend.attention.quantization import KV_DTYPES
from backend.engine.config import EngineConfig, prefill_shapes, row_buckets
from backend.engine.memory import pool_memory
from backend.engine.prefill_shapes import SHAPES, WEIGHTS
from backend.models import weights
from backend.models.adapters.catalogue import resolve_adapter
from backend.models.adapters.checkpoint import AdapterBase, file_rank, read_adapter
from backend.models.adapters.placing import empty_stacks
from backend.models.adapters.stack import rank_bucket, stack_bytes
from backend.models.catalogue import MODEL_CACHE
from backend.models.checkpoint import Checkpoint, open_checkpoint
from backend.models.config import DecoderConfig
from backend.models.decoder import Decoder, kv_specs, ropes
from backend.models.storage import Quantization, Storage, abstract_decoder, describe
from backend.sharding import DATA, make_mesh, read_mesh
from backend.target import platform

LEAST_CELLS = 1 << 15
"""Of grammars, where there are none."""
LEAST_RANK = 16
"""That there is room for, unless less is asked for."""


@dataclass(frozen=True)
class LoadOptions:
    """What may be chosen about a model.

    model: a bundled name such as "tiny", a checkpoint's folder, a GGUF file, or a hub repository as owner/name.
    revision: branch, tag or commit of the repository. rows: choices decoded at the same time. context: tokens of
    prompt and output together, None for what the checkpoint allows and memory holds. dtype: of weights that are not
    quantised, None for what suits the device. quantization: of weights, see `Storage`. max_queue: choices that may run
    or wait. compilation_cache: folder of compiled programs, None for none. model_cache: folder of bundled models that
    were downloaded. kv_cache_dtype: in which keys and values are kept, "auto" for that in which they are computed, or a
    name of `KV_DTYPES`.
    deterministic: a seed gives the very same tokens under any load, at a cost in speed.
    mesh: the devices, see `choose_mesh`; None for one on a processor, else for all.
    stall_seconds: after which a computation that has not ended never will.
    memory_fraction: of the memory that the device has or, for a processor, that is available at start: what weights and
    cache may take, on an accelerator with all that programs need beside them; None for `device.memory_fraction`.
    cuda_graphs: whole dispatches of decoding steps are one CUDA graph each.
    media_cache_bytes: of embeddings of pictures, sound and film that are kept for prompts that have them again.
    adapters: the name of each adapter, and a bundled one's name, a folder, or a hub repository as owner/name.
    max_adapters: that the device holds at a time, 0 for an engine that serves none. max_adapter_rank: the largest, None
    for that of `adapters`, and at least 16. adapter_memory: bytes of host memory that hold adapters.
    kv_cache_tokens: positions that the cache holds for all rows together, None for what rows can use and memory allows;
    on a processor no more than `device.default_cache` says.
    """

    model: str = "tiny"
    revision: str | None = None
    rows: int = 16
    context: int | None = None
    dtype: str | None = None
    quantization: Quantization = "auto"
    max_queue: int = 1024
    compilation_cache: Path | None = None
    model_cache: Path = MODEL_CACHE
    memory_fraction: float | None = None
    cuda_graphs: bool = False
    kv_cache_tokens: int | None = None
    kv_cache_dtype: str = "auto"
    media_cache_bytes: int = 256 << 20
    deterministic: bool = False
    stall_seconds: float = 300
    mesh: str | None = None
    adapters: Mapping[str, str] = field(default_factory=dict)
    max_adapters: int = 0
    max_adapter_rank: int | None = None
    adapter_memory: int = 1 << 30


class EnginePlan(NamedTuple):
    """What an engine will be, by what its checkpoint says of itself.

    decoder: shapes in place of weights. mesh: the devices, None for one.
    """

    checkpoint: Checkpoint
    storage: Storage
    backend: AttentionBackend
    decoder: Decoder
    sizes: EngineConfig
    mesh: Mesh | None


def plan_engine(options: LoadOptions, path: Path) -> EnginePlan:
    """The engine of the checkpoint at `path`; reads no weights. Raises CheckpointError, ValueError as a start does."""
    checkpoint, storage = open_checkpoint(path), choose_storage(options)
    if options.cuda_graphs and platform() != "gpu":
        raise ValueError(f"--cuda-graphs: it is for NVIDIA GPUs, and programs run on {device.describe()}")
    specs = kv_specs(checkpoint.config)
    mesh = choose_mesh(options, specs)
    backend = paged_attention(specs, choose_cache_dtype(options, storage.activations), mesh=mesh)
    decoder = abstract_decoder(checkpoint, storage)
    groups = 1 if mesh is None else mesh.shape[DATA]
    of_group = options_of_group(options, groups)
    rank = choose_adapter_rank(options)
    stacks = jax.eval_shape(lambda: empty_stacks(AdapterBase(decoder), options.max_adapters, rank))
    taken, memory = pool_memory(decoder, of_group.rows, mesh, stack_bytes(stacks), device.memory())
    sizes = choose_sizes(of_group, checkpoint.config, backend, taken, memory, device.default_cache())
    sizes = replace(sizes, adapter_buckets=choose_adapter_buckets(options), adapter_rank=rank, groups=groups)
    return EnginePlan(checkpoint, storage, backend, decoder, sizes, mesh)


def examine(options: LoadOptions, path: Path) -> tuple[str, str]:
    """What a start would say of model and cache; reads no weights but those of adapters. Raises what it would raise."""
    plan = plan_engine(options, path)
    weights.check(plan.checkpoint, plan.decoder)
    base = AdapterBase(plan.decoder)
    for place in options.adapters.values():
        read_adapter(resolve_adapter(place), base, plan.sizes.adapter_rank)
    return size_lines(options, plan)


def choose_mesh(options: LoadOptions, layers: Sequence[KVSpec]) -> Mesh | None:
    """The devices that were asked for, as a mesh for a decoder of these layers. Raises ValueError.

    "data=2,model=4": two groups of rows on four devices each, over which the model is split; what is left out is 1.
    """
    devices = jax.devices()
    if options.mesh is None:
        groups, split = 1, 1 if device.activation_dtype() is not None else len(devices)
    else:
        groups, split = read_mesh(options.mesh)
    if groups * split > len(devices):
        raise ValueError(
            f"--mesh {options.mesh}: that takes {groups * split} devices, and there are {len(devices)}, "
            f"{device.describe()}"
        )
    if groups * split == 1:
        return None
    return make_mesh(devices[: groups * split], [layer.kv_heads for layer in layers], groups)


def options_of_group(options: LoadOptions, groups: int) -> LoadOptions:
    """What one of several groups of rows has of the rows and the cache. Raises ValueError."""
    if options.rows % groups:
        raise ValueError(
            f"--max-batch-size {options.rows}: with data={groups} in --mesh each group has as many choices; take a "
            f"multiple of {groups}"
        )
    tokens = None if options.kv_cache_tokens is None else -(-options.kv_cache_tokens // groups)
    return replace(options, rows=options.rows // groups, kv_cache_tokens=tokens)


def choose_storage(options: LoadOptions) -> Storage:
    """In which types weights are kept and activations computed.

    On a processor activations are float32, and weights may be what the checkpoint has: products with them are exact,
    and memory is what limits their speed. Only where bfloat16 is asked for are both multiplied in that. XLA alone,
    without native code, is fastest with float32 weights. An accelerator multiplies in 8 bits twice as fast as in 16,
    where the kernel allows it.
    """
    activations = jnp.dtype(device.activation_dtype() or options.dtype or "bfloat16")
    as_stored = options.dtype is None and native.unavailable_reason() is None
    floats = None if as_stored else jnp.dtype(options.dtype or activations)
    eight_bits = device.activation_dtype() is None
    return Storage(activations, floats, options.quantization, options.dtype == "bfloat16", eight_bits)


def choose_adapter_rank(options: LoadOptions) -> int:
    """The rank that there is room for in every slot. Raises CheckpointError, ValueError."""
    asked = options.max_adapter_rank
    if asked is not None:
        return rank_bucket(asked)
    return rank_bucket(max([LEAST_RANK, *(file_rank(resolve_adapter(place)) for place in options.adapters.values())]))


def choose_adapter_buckets(options: LoadOptions) -> tuple[int, ...]:
    """Numbers of distinct adapters in a call that programs are compiled for.

    Native products take those that are there, however many there is room for; XLA's take all that there is room for.
    """
    if not options.max_adapters:
        return ()
    return (options.max_adapters,) if native.unavailable_reason() is None else row_buckets(options.max_adapters)


def choose_cache_dtype(options: LoadOptions, activations: jnp.dtype) -> jnp.dtype:
    """In which type keys and values are kept that are computed in `activations`. Raises ValueError."""
    if options.kv_cache_dtype == "auto":
        return activations
    dtype = KV_DTYPES.get(options.kv_cache_dtype)
    if dtype is None:
        raise ValueError(f"--kv-cache-dtype {options.kv_cache_dtype}: there are auto, {', '.join(KV_DTYPES)}")
    if dtype.itemsize > activations.itemsize:
        raise ValueError(
            f"--kv-cache-dtype {options.kv_cache_dtype}: keys and values are computed in {activations.name}, and a "
            "wider type holds no more than that; take auto, or --dtype float32"
        )
    return dtype


def choose_sizes(
    options: LoadOptions,
    config: DecoderConfig,
    backend: AttentionBackend,
    taken: int,
    memory: int,
    default_cache: tuple[int, int] | None = None,
) -> EngineConfig:
    """The engine that `memory` bytes hold: the pages that all rows can use or that were asked for.

    taken: bytes of weights and adapters.

    default_cache: bytes that the cache takes where no size was asked for, and most bytes where one context needs more
    than that; None for no bound but `memory`. Raises ValueError where the weights, or what was asked for, do not fit.
    """
    page_tokens = backend.page_tokens
    fraction = options.memory_fraction or device.memory_fraction()
    room = int(fraction * memory) - taken
    fitting = max(0, room // backend.page_bytes)
    context = min(options.context or config.context, config.context)
    pages = -(-(options.kv_cache_tokens or options.rows * context) // page_tokens)
    least = pages if options.kv_cache_tokens else -(-(context if options.context else page_tokens) // page_tokens)
    if fitting < least:
        needed = taken + least * backend.page_bytes
        raise ValueError(
            f"weights, adapters and {least * page_tokens:,} tokens of cache take {device.mebibytes(needed)}, more than "
            f"{fraction:.0%} of the {device.mebibytes(memory)} of memory that are available; "
            "lower --kv-cache-tokens or --max-context-length, raise --memory-fraction, or take a smaller model"
        )
    if default_cache is not None and not options.kv_cache_tokens:
        usual, most = (size // backend.page_bytes for size in default_cache)
        pages = min(pages, max(usual, least, min(most, -(-context // page_tokens))))
    pages = min(pages, fitting)
    if options.context and context > pages * page_tokens:
        raise ValueError(
            f"a context of {context:,} tokens does not fit a cache of {pages * page_tokens:,}; "
            "lower --max-context-length or raise --kv-cache-tokens"
        )
    both_ways = 0 if config.media is None else config.media.both_ways
    return EngineConfig(
        context=min(context, pages * page_tokens),
        pages=pages,
        page_tokens=page_tokens,
        row_buckets=row_buckets(options.rows),
        prefill_shapes=prefill_shapes(both_ways, page_tokens, options.deterministic, SHAPES[platform()]),
        weight_tokens=WEIGHTS[platform()],
        grammar_cells=EngineConfig.grammar_cells if config.pooling is None else LEAST_CELLS,
        grammar_masks=0 if platform() == "gpu" else EngineConfig.grammar_masks,
        prompt_embeddings=config.media is not None,
        prompt_logprobs=config.pooling is None,
        pooling=config.pooling,
        both_ways=both_ways,
        features=0 if config.media is None else config.media.features,
        sections=any(rope.sections for rope, _ in ropes(config)),
        read_behind=device.asynchronous(),
        max_queue=options.max_queue,
        stall_seconds=options.stall_seconds,
        deterministic=options.deterministic,
    )


def size_lines(options: LoadOptions, plan: EnginePlan) -> tuple[str, str]:
    """For people: what the model and its weights are, and what the cache holds."""
    config, sizes = plan.decoder.config, plan.sizes
    weight_bytes = device.mebibytes(weights.weight_bytes(plan.decoder))
    all_pages, all_rows = sizes.groups * sizes.pages, sizes.groups * sizes.rows
    cache_bytes = device.mebibytes(all_pages * plan.backend.page_bytes)
    shape = f"{len(config.layers)} layers, vocabulary {config.vocab}"
    rows = f"{all_rows} rows of at most {sizes.context:,} tokens{'; deterministic' if sizes.deterministic else ''}"
    pages = f"{all_pages * sizes.page_tokens:,} tokens in pages of {sizes.page_tokens}"
    return (
        f"model: {options.model}, {shape}, weights {weight_bytes} in {describe(plan.decoder)}",
        f"cache: {pages}, {cache_bytes}; {rows}",
    )
