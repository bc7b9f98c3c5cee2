"""The engine's own programs, compiled for a chip that is not there."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from backend.attention import AttentionBackend
from backend.attention.choice import paged_attention
from backend.attention.quantization import KV_DTYPES
from backend.attention.reference import PagedAttention
from backend.engine.config import EngineConfig
from backend.engine.memory import pool_memory
from backend.engine.model_runner import ModelRunner, Name, Program, Programs
from backend.engine_plan import LEAST_RANK, LoadOptions, choose_sizes
from backend.models import weights
from backend.models.adapters.checkpoint import AdapterBase
from backend.models.adapters.placing import empty_stacks
from backend.models.adapters.stack import stack_bytes
from backend.models.decoder import Decoder, kv_specs
from backend.sharding import HEADS, make_mesh
from backend.target import compiling_for
from benchmarks.aot import chips, hlo, thunks
from benchmarks.aot.models import FAMILIES, FORMATS, MODELS, abstract_decoder, tokens


def engine_programs(
    decoder: Decoder, sizes: EngineConfig, backend: AttentionBackend, mesh: Mesh | None = None
) -> Programs:
    """What an engine of these sizes compiles. decoder: of shapes; its tokens are those of `models.tokens`.

    mesh: the devices over which the decoder's shapes say that its weights lie, None for one.
    """
    programs: Programs = {}

    def keep(every: Programs, progress: Any) -> dict[Name, Any]:
        programs.update(every)
        return {}

    ModelRunner(decoder, sizes, backend, tokens(decoder.config.vocab), mesh=mesh, compiler=keep)
    return programs


class Planned(NamedTuple):
    """An engine as it would start on one chip or several: a decoder of shapes, its sizes and what it compiles.

    weight_bytes, layer_pool_bytes: of one chip, of all weights, and of one layer's keys and values. left_out_bytes: of
    one chip, of weights, keys and values of the layers that the programs lack.
    """

    decoder: Decoder
    sizes: EngineConfig
    backend: PagedAttention
    programs: Programs
    weight_bytes: int
    layer_pool_bytes: int
    left_out_bytes: int


def plan(
    chip: str,
    model: str,
    rows: int,
    context: int | None = None,
    pages: int | None = None,
    format: str | None = None,
    count: int = 1,
    adapters: int = 0,
    layers: int | None = None,
    groups: int = 1,
    cached: str = "bfloat16",
) -> Planned:
    """What `choose_sizes` picks for a model, with one program of each kind. See `target`.

    model: of `models.MODELS` or `models.FAMILIES`. context, pages: None for what the chips' memory holds. format: of
    quantised weights, of `models.FORMATS`. count: of chips. adapters: that the device holds, of a rank of 16, and that
    rows may differ in. layers: that the programs have, None for all; sizes are those of the whole model. groups: of
    rows, over which the chips are shared out; rows, pages and bytes are those of one. cached: the type of keys and
    values, of `KV_DTYPES`.
    """
    kept = None if format is None else FORMATS[format]
    whole = abstract_decoder((MODELS | FAMILIES)[model], kept)
    specs = kv_specs(whole.config)
    mesh = None if count == 1 else make_mesh(chips.devices(chip, count), [spec.kv_heads for spec in specs], groups)
    dtype, options = KV_DTYPES[cached], LoadOptions(rows=rows, context=context)
    stacks = jax.eval_shape(lambda: empty_stacks(AdapterBase(whole), adapters, LEAST_RANK))
    held = pool_memory(whole, rows, mesh, stack_bytes(stacks), chips.CHIPS[chip].memory)
    sizes = choose_sizes(options, whole.config, paged_attention(specs, dtype, mesh=mesh), *held)
    sizes = replace(
        sizes,
        row_buckets=(rows,),
        prefill_shapes=sizes.prefill_shapes[-1:],
        pages=pages or sizes.pages,
        adapter_buckets=(adapters,) if adapters else (),
        adapter_rank=LEAST_RANK,
        groups=groups,
    )
    decoder = abstract_decoder(replace(whole.config, layers=whole.config.layers[:layers]), kept)
    for variable, placed in weights.targets(decoder, mesh):
        variable.set_value(placed)
    backend = paged_attention(specs[:layers], dtype, mesh=mesh)
    pool = sizes.pages * backend.page_bytes // len(backend.layers) // (1 if mesh is None else mesh.shape[HEADS])
    weight_bytes = weights.device_bytes(whole, mesh)
    left_out = weight_bytes - weights.device_bytes(decoder, mesh) + (len(specs) - len(backend.layers)) * pool
    programs = engine_programs(decoder, sizes, backend, mesh)
    return Planned(decoder, sizes, backend, programs, weight_bytes, pool, left_out)


@contextmanager
def target(chip: str) -> Iterator[None]:
    """Within the block programs are traced for the chip of that name."""
    # What was traced for another platform may be part of a function that is compiled for this one.
    jax.clear_caches()
    with compiling_for(chips.CHIPS[chip].platform):
        yield
    jax.clear_caches()


@dataclass(frozen=True)
class Compiled:
    """A compiled program, and what of it is asserted. state_bytes: of what it is given to change in place.

    seconds: of processors, those of programs that XLA calls included, that compiling took.
    """

    chip: chips.Chip
    executable: Any
    state_bytes: int
    seconds: float
    thunk_text: str = field(repr=False, default="")

    @cached_property
    def module(self) -> hlo.Module:
        """The optimised program."""
        return hlo.read(self.executable.as_text())

    @cached_property
    def host_program(self) -> thunks.Node:
        """What the host does to run it, of a GPU's program."""
        return thunks.read(self.thunk_text)

    @property
    def temporary_bytes(self) -> int:
        """Memory that it takes beside its arguments and results."""
        return int(self.executable.memory_analysis().temp_size_in_bytes)

    @property
    def aliased_bytes(self) -> int:
        """Of its arguments, what its results take the place of."""
        return int(self.executable.memory_analysis().alias_size_in_bytes)

    @property
    def argument_bytes(self) -> int:
        """Of all its arguments."""
        return int(self.executable.memory_analysis().argument_size_in_bytes)


def compile_program(chip: str, program: Program, options: dict[str, Any] | None = None) -> Compiled:
    """The program compiled for the devices on which its arguments say that they lie, and for one chip if none does.

    What does not say so lies on all of them. options: further ones of the compiler. To be called within `target`.
    """
    placed = [x for x in jax.tree.leaves(program.arguments) if _is_placed(x)]
    mesh = placed[0].sharding.mesh if placed else chips.mesh(chip, {"device": 1})
    whole = NamedSharding(mesh, PartitionSpec())
    arguments = jax.tree.map(
        lambda x: x if _is_placed(x) else jax.ShapeDtypeStruct(np.shape(x), np.result_type(x), sharding=whole),
        program.arguments,
    )
    state = next((argument for argument in arguments if hasattr(argument, "cache")), None)
    began = _processor_seconds()
    with tempfile.TemporaryDirectory() as folder, jax.set_mesh(mesh):  # Pallas wants to know it
        chip_ = chips.CHIPS[chip]
        dump = {"xla_dump_to": folder, "xla_dump_hlo_as_text": True} if chip_.platform == "gpu" else {}
        executable = program.function.trace(*arguments).lower().compile({**dump, **(options or {})})
        seconds = _processor_seconds() - began
        listings = sorted(Path(folder).glob("*thunk_sequence_after_thunk_passes.txt"), key=lambda p: p.stat().st_size)
        text = listings[-1].read_text(encoding="utf-8") if listings else ""
    return Compiled(chip_, executable, tree_bytes(state), seconds, text)


def _processor_seconds() -> float:
    return sum(os.times()[:4])


def _is_placed(x: Any) -> bool:
    return isinstance(x, jax.ShapeDtypeStruct) and x.sharding is not None


def tree_bytes(tree: Any) -> int:
    """Bytes that one device has of all arrays, or shapes of arrays, in a tree."""
    return sum(weights.array_bytes(jax.ShapeDtypeStruct(_own_shape(x), x.dtype)) for x in jax.tree.leaves(tree))


def _own_shape(x: Any) -> tuple[int, ...]:
    return tuple(x.sharding.shard_shape(x.shape)) if _is_placed(x) else np.shape(x)
