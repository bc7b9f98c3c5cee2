"""The engine's own programs, compiled for a chip that is not there."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from backend.attention import AttentionBackend
from backend.attention.choice import paged_attention
from backend.attention.reference import PagedAttention
from backend.engine.config import EngineConfig
from backend.engine.memory import working_bytes
from backend.engine.model_runner import ModelRunner, Name, Program, Programs
from backend.load import LoadOptions, choose_sizes
from backend.models.decoder import Decoder, kv_specs
from backend.target import compiling_for
from benchmarks.aot import chips, hlo, thunks
from benchmarks.aot.models import FORMATS, MODELS, abstract_decoder, tokens


def engine_programs(decoder: Decoder, sizes: EngineConfig, backend: AttentionBackend) -> Programs:
    """What an engine of these sizes compiles. decoder: of shapes; its tokens are those of `models.tokens`."""
    programs: Programs = {}

    def keep(every: Programs, progress: Any) -> dict[Name, Any]:
        programs.update(every)
        return {}

    ModelRunner(decoder, sizes, backend, tokens(decoder.config.vocab), compiler=keep)
    return programs


class Planned(NamedTuple):
    """An engine as it would start on a chip: a decoder of shapes, its sizes and what it compiles."""

    decoder: Decoder
    sizes: EngineConfig
    backend: PagedAttention
    programs: Programs
    weight_bytes: int


def plan(
    chip: str, model: str, rows: int, context: int | None = None, pages: int | None = None, format: str | None = None
) -> Planned:
    """What `choose_sizes` picks for a model of `models.MODELS`, with one program of each kind. See `target`.

    context, pages: None for what the chip's memory holds. format: of quantised weights, of `models.FORMATS`.
    """
    decoder = abstract_decoder(MODELS[model], None if format is None else FORMATS[format])
    config, weights = decoder.config, tree_bytes(nnx.state(decoder))
    backend = paged_attention(kv_specs(config), jnp.dtype(jnp.bfloat16))
    options = LoadOptions(rows=rows, context=context)
    held, memory = weights + working_bytes(config, rows), chips.CHIPS[chip].memory
    sizes = choose_sizes(options, config, backend, held, memory)
    largest = sizes.prefill_shapes[-1]
    sizes = replace(sizes, row_buckets=(rows,), prefill_shapes=(largest,), pages=pages or sizes.pages)
    return Planned(decoder, sizes, backend, engine_programs(decoder, sizes, backend), weights)


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
    """A compiled program, and what of it is asserted. state_bytes: of what it is given to change in place."""

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
    """The program compiled for one chip. options: further ones of the compiler. To be called within `target`."""
    whole = NamedSharding(chips.mesh(chip, {"device": 1}), PartitionSpec())
    return compile_placed(chip, program, jax.tree.map(lambda _: whole, program.arguments), options)


def compile_placed(chip: str, program: Program, shardings: Any, options: dict[str, Any] | None = None) -> Compiled:
    """The same for the devices that `shardings` names for each of the program's arguments."""
    arguments = jax.tree.map(
        lambda x, sharding: jax.ShapeDtypeStruct(np.shape(x), np.result_type(x), sharding=sharding),
        program.arguments,
        shardings,
    )
    state = next((argument for argument in program.arguments if hasattr(argument, "cache")), None)
    began = time.monotonic()
    mesh = jax.tree.leaves(shardings)[0].mesh  # Pallas wants to know it
    with tempfile.TemporaryDirectory() as folder, jax.set_mesh(mesh):
        chip_ = chips.CHIPS[chip]
        dump = {"xla_dump_to": folder, "xla_dump_hlo_as_text": True} if chip_.platform == "gpu" else {}
        executable = program.function.trace(*arguments).lower().compile({**dump, **(options or {})})
        seconds = time.monotonic() - began
        listings = sorted(Path(folder).glob("*thunk_sequence_after_thunk_passes.txt"), key=lambda p: p.stat().st_size)
        text = listings[-1].read_text(encoding="utf-8") if listings else ""
    return Compiled(chip_, executable, tree_bytes(state), seconds, text)


def tree_bytes(tree: Any) -> int:
    """Bytes of all arrays, or shapes of arrays, in a tree."""
    return sum(int(np.prod(np.shape(x))) * np.dtype(x.dtype).itemsize for x in jax.tree.leaves(tree))
