"""Every program the engine ever runs, compiled ahead for its few shapes. Nothing is compiled after this."""

import gc
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import Mesh, NamedSharding

from backend import host
from backend.attention import AttentionBackend
from backend.engine import steps
from backend.engine.chunks import PrefillChunk, own_pages, prefill_input, rows_of
from backend.engine.config import EngineConfig, bucket
from backend.engine.device_adapters import DeviceAdapters
from backend.engine.prefill_shapes import Shape
from backend.engine.state import Block, ChunkScores, DecodeState, RowState, first_row_state, init_state, state_axes
from backend.engine.steps import PREFILL_AXES, GivenAdapters
from backend.grammar import token_spellings
from backend.grammar.device import state as grammar_state
from backend.grammar.device.arena import Arena, Placement
from backend.grammar.device.vocabulary import build_vocabulary
from backend.models.adapters.stack import AdapterStacks, RowAdapters
from backend.models.decoder import Decoder
from backend.models.media.interface import EncoderCall
from backend.request import Prompt, Request, SamplingParams
from backend.sharding import in_groups, of_group, placed, sharding
from backend.target import is_here

Name = tuple[str, int, int, int]
"""A program and its shape: rows, tokens, and distinct adapters that it takes; zeros where there is but one."""
Progress = Callable[[int, int], None]
MOST_COMPILE_THREADS = 4
GRAPHED = ("FUSION", "CUBLAS", "CUBLASLT", "CUSTOM_CALL", "CUDNN", "DYNAMIC_SLICE_FUSION", "CONDITIONAL")
CUDA_GRAPHS = {"xla_gpu_enable_command_buffer": ",".join((*GRAPHED, "WHILE", "COLLECTIVES"))}
"""Options of XLA's compiler by which loops become part of CUDA graphs, and sums over several GPUs: else the host looks
after each step whether there is another, and launches what is between two sums."""
NO_TOKENS = tuple(bytes([byte]) for byte in b'{}[]"a')
"""What the programs are made for where the tokens are not known; no grammar is enforced then."""


class Program(NamedTuple):
    """What is compiled: a jitted function, and what it is called with, arrays or shapes in place of them."""

    function: Any
    arguments: tuple[Any, ...]

    def lower(self) -> jax.stages.Lowered:
        """Traced, and lowered for the devices at hand."""
        lowered: jax.stages.Lowered = self.function.lower(*self.arguments)
        return lowered


Programs = dict[Name, Program]
Compiler = Callable[[Programs, Progress], dict[Name, Any]]


class ModelRunner:
    """Owns the weights, grammars, adapters and compiled programs; every method takes the state and gives the next one.

    backend: how keys and values are kept, in pages of as many tokens as `config` says.
    tokens: the bytes that each token adds to a text, b"" for special ones; grammars need them, and know the special
    ones by their spelling as control tokens. knows_tokens: whether there are any. arena: the grammars. compiler: makes
    the programs; a decoder of shapes in place of weights is enough for one that never runs them.
    mesh: the devices over which the decoder's weights lie and everything else is split, None for one device. Rows and
    pages are numbered through all groups: those of the second follow those of the first, and so do the rows of a block.
    media: what the decoder takes beside text, None for nothing. adapters: those on the device, None where no program
    takes any.
    The decoder is split once: a module is costly to pass to a jitted function, a flat list of leaves is not.
    """

    def __init__(
        self,
        decoder: Decoder,
        config: EngineConfig,
        backend: AttentionBackend,
        tokens: Sequence[bytes] = (),
        progress: Progress = lambda done, total: None,
        mesh: Mesh | None = None,
        compiler: Compiler | None = None,
    ) -> None:
        assert config.page_tokens == backend.page_tokens
        self.config, self.vocab, self._embed = config, decoder.config.vocab, decoder.config.embed
        self.knows_tokens = any(tokens)
        known = list(tokens[: self.vocab] if self.knows_tokens else NO_TOKENS)
        known += [b""] * (self.vocab - len(known))
        known = token_spellings(known) if self.knows_tokens else known
        self._mesh, self._everywhere = mesh, None if mesh is None else sharding(mesh)
        held = self._everywhere if is_here() else None  # no array lies on devices that programs are only compiled for
        self.arena = Arena(config.grammar_cells, held, self._uploading)
        self._tokens = known
        self._vocabulary = jax.device_put(build_vocabulary(known), held)
        self._backend = backend
        self._init_state = partial(init_state, decoder.config, config, backend, self._vocabulary)
        self.media = decoder.config.media
        self.adapters = DeviceAdapters(decoder, config, mesh, self._placing) if config.adapter_slots else None
        graph, params = nnx.split(decoder)
        self._leaves, tree = jax.tree.flatten(params)
        self._merge = lambda leaves: nnx.merge(graph, jax.tree.unflatten(tree, leaves))
        self._compiled = (compiler or compile_all)(self._programs(), progress)

    def init_state(self) -> DecodeState:
        """A decode state on the device with empty pages, in which every row is done."""
        return self._compiled["init", 0, 0, 0]()

    def decode(
        self,
        state: DecodeState,
        page_table: np.ndarray,
        active: np.ndarray,
        steps: int,
        stop_on_finish: bool,
        slots: Sequence[int] = (),
    ) -> tuple[DecodeState, Block]:
        """Run up to `steps` decoding steps; gives the next state and the tokens drawn. See `steps.decode`.

        active: bool [B], rows that decode, one of the batch sizes of every group. page_table: int32 [B, M], the pages
        of each row. stop_on_finish: a group ends as soon as a row of it has. slots: of each row's adapter, -1 for none.
        """
        rows = active.size // self.config.groups
        distinct, adapters = self._given(rows, slots)
        program, grammars = self._compiled["decode", rows, 1, distinct], (self.arena.cells, self._vocabulary)
        last = (np.int32(steps), np.bool_(stop_on_finish), adapters)
        return program(self._leaves, state, *grammars, own_pages(self.config, page_table), active, *last)

    def prefill(
        self, state: DecodeState, shape: Shape, chunks: Sequence[PrefillChunk]
    ) -> tuple[DecodeState, jax.Array]:
        """Compute the keys and values of chunks; those of a group fit `shape`, one of the (rows, tokens) compiled.

        Gives the next state and the hidden states of the chosen positions, [B, C, D], C `config.hidden_positions`: in
        each group first those of its chunks, in order.
        """
        at = rows_of(self.config, shape, chunks)
        distinct, adapters = self._given_to_chunks(shape, at)
        program = self._compiled["prefill", *shape, distinct]
        return program(self._leaves, state, prefill_input(self.config, self._embed, shape, at), adapters)

    def _in_group(self, number: int, size: int, elsewhere: int = 0) -> np.ndarray:
        """int32 [X], the number of a row or page as its group counts its `size` own; `elsewhere` for other groups."""
        numbers = np.full(self.config.groups, elsewhere, np.int32)
        numbers[number // size] = number % size
        return numbers

    def _given_to_chunks(self, shape: Shape, at: dict[int, PrefillChunk]) -> tuple[int, GivenAdapters]:
        slots = [at[row].adapter if row in at else -1 for row in range(self.config.groups * shape[0])]
        return self._given(shape[0], slots)

    def _given(self, rows: int, slots: Sequence[int]) -> tuple[int, GivenAdapters]:
        """How many distinct adapters the program for so many rows a group takes, and what it takes of them."""
        if self.adapters is None:
            return 0, None
        differing = len({slot for slot in slots if slot >= 0})
        distinct = bucket(self.config.distinct_adapters(rows), differing)
        return distinct, self.adapters.given(self.config.groups * rows, slots, distinct)

    def embed(self, call: EncoderCall) -> np.ndarray:
        """The embeddings float32 [call.rows, D] that the decoder's encoder makes. May be called by any thread."""
        program = self._compiled[call.program.kind, 1, call.program.size, 0]
        return np.asarray(program(self._leaves, *call.inputs))[: call.rows]

    def score(self, state: DecodeState, shape: Shape, chunk: PrefillChunk) -> tuple[DecodeState, ChunkScores]:
        """`prefill` of one chunk by one of `config.scorings`; gives the next state and the scores of its `targets`.

        These are in the row of its group, [X, T].
        """
        at = rows_of(self.config, shape, [chunk])
        targets = np.zeros((self.config.groups * shape[0], shape[1]), np.int32)
        targets[next(iter(at)), : len(chunk.targets)] = chunk.targets
        distinct, adapters = self._given_to_chunks(shape, at)
        program = self._compiled["score", *shape, distinct]
        return program(self._leaves, state, prefill_input(self.config, self._embed, shape, at), targets, adapters)

    def pool(self, state: DecodeState, shape: Shape, chunks: Sequence[PrefillChunk]) -> tuple[DecodeState, jax.Array]:
        """`prefill` of an engine that pools; gives the next state and what each chunk is pooled to: `steps.pool`."""
        at = rows_of(self.config, shape, chunks)
        distinct, adapters = self._given_to_chunks(shape, at)
        program = self._compiled["pool", *shape, distinct]
        return program(self._leaves, state, prefill_input(self.config, self._embed, shape, at), adapters)

    def row_state(
        self, request: Request, choice: int, output: Sequence[int] = (), grammar: Placement | None = None
    ) -> RowState:
        """The state of one row as numpy arrays, for `admit`.

        choice: index among the request's choices. output: the tokens it drew before, if it was preempted. grammar:
        where the request's grammar is in the arena, None without one.
        """
        is_end = np.zeros(self.vocab, bool)
        is_end[list(request.sampling.end_tokens)] = True
        limit = request.reasoning_limit
        budget, closing = (None, ()) if limit is None else (limit.tokens, limit.closing)
        at = grammar_state.row(grammar, is_end, self._vocabulary.words, budget, closing)
        if request.grammar is not None and (output or request.written):
            tables, written = request.grammar.tables.result(), self.spelled(request.written)
            at = grammar_state.after(at, tables, [self._tokens[token] for token in output], written)
        return first_row_state(request, choice, output, self._vocabulary, at, self.config.context)

    def spelled(self, tokens: Sequence[int]) -> bytes:
        """What these tokens add to a string of a grammar."""
        return b"".join(self._tokens[token] for token in tokens)

    def admit(self, state: DecodeState, row: int, start: RowState) -> DecodeState:
        """Set everything of row `row` to `start`; gives the next state."""
        rows = self.config.rows
        return self._compiled["admit", 0, 0, 0](state, self._in_group(row, rows, elsewhere=rows), start)

    def move_row(self, state: DecodeState, source: int, target: int) -> DecodeState:
        """Make row `target` equal to row `source` of the same group; gives the next state."""
        rows = self.config.rows
        return self._compiled["move_row", 0, 0, 0](state, self._in_group(source, rows), self._in_group(target, rows))

    def copy_page(self, state: DecodeState, source: int, target: int) -> DecodeState:
        """Make page `target` equal to page `source` of the same group in every layer; gives the next state."""
        pages = self.config.pages
        return self._compiled["copy_page", 0, 0, 0](state, self._in_group(source, pages), self._in_group(target, pages))

    def _uploading(self, base: int, image: np.ndarray) -> AbstractContextManager[None]:
        """Entered around each upload of a grammar into the arena."""
        return nullcontext()

    def _placing(self, slot: int, one: AdapterStacks) -> AbstractContextManager[None]:
        """Entered around each adapter that is put into a slot."""
        return nullcontext()

    def _programs(self) -> Programs:
        """Every program, with the shapes that it is compiled for."""
        shapes, groups = jax.eval_shape(self._init_state), self.config.groups
        axes = state_axes(shapes, self._backend)
        state, of_state = placed(shapes, axes, self._mesh), jax.tree.map(of_group, axes)
        whole, all_of_it, by_row, by_group = self._everywhere, of_group(), of_group("B"), of_group("X")
        kept = None if self._mesh is None else jax.tree.map(lambda array: array.sharding, state)
        # Of what other hosts have of a result the first would see nothing.
        given = whole if whole is None or jax.process_count() > 1 else NamedSharding(whole.mesh, by_row)
        of_adapters = None if self.adapters is None else (all_of_it, RowAdapters(by_row, all_of_it))  # type: ignore[arg-type]
        of_chunks = jax.tree.map(of_group, PREFILL_AXES)

        def on_leaves(step: Callable[..., Any], *inputs: Any, **static: Any) -> Any:
            static["backend"] = self._backend

            def call(leaves: list[Any], *args: Any) -> Any:
                return step(self._merge(leaves), *args, **static)

            call = in_groups(self._mesh, call, (all_of_it, of_state, *inputs, of_adapters), (of_state, by_row))
            return jax.jit(call, donate_argnums=1, out_shardings=None if kept is None else (kept, given))

        def prefills(name: str, step: Callable[..., Any]) -> Programs:
            return {
                (name, *shape, distinct): Program(
                    on_leaves(step, of_chunks),
                    (self._leaves, state, prefill_input(self.config, self._embed, shape, {}), adapters),
                )
                for shape in self.config.prefills
                for distinct, adapters in self._adapter_programs(shape[0])
            }

        init = Program(jax.jit(in_groups(self._mesh, self._init_state, (), of_state), out_shardings=kept), ())
        if self.config.pooling is not None:
            return {("init", 0, 0, 0): init} | prefills("pool", steps.pool)
        one = self.row_state(Request(Prompt((0,)), SamplingParams(1, ()), (0,)), 0)
        number, flag, pages = np.int32(0), np.bool_(False), self.config.max_pages_per_row
        numbers, copy_page = np.zeros(groups, np.int32), partial(steps.copy_page, backend=self._backend)

        def on_state(step: Callable[..., Any], *inputs: Any) -> Any:
            step = in_groups(self._mesh, step, (of_state, *inputs), of_state)
            return jax.jit(step, donate_argnums=0, out_shardings=kept)

        programs: Programs = {
            ("init", 0, 0, 0): init,
            ("admit", 0, 0, 0): Program(on_state(steps.admit, by_group, all_of_it), (state, numbers, one)),
            ("move_row", 0, 0, 0): Program(on_state(steps.move_row, by_group, by_group), (state, numbers, numbers)),
            ("copy_page", 0, 0, 0): Program(on_state(copy_page, by_group, by_group), (state, numbers, numbers)),
        }

        for rows in self.config.batches:
            page_table, active = np.zeros((groups * rows, pages), np.int32), np.zeros(groups * rows, bool)
            args = (self._leaves, state, self.arena.cells, self._vocabulary, page_table, active, number, flag)
            given_to_all = (all_of_it, all_of_it, by_row, by_row, all_of_it, all_of_it)
            for distinct, adapters in self._adapter_programs(rows):
                decode = on_leaves(steps.decode, *given_to_all, max_steps=self.config.max_steps)
                programs["decode", rows, 1, distinct] = Program(decode, (*args, adapters))
        programs |= prefills("prefill", steps.prefill)
        for shape in self.config.scorings:
            chunks = prefill_input(self.config, self._embed, shape, {})
            targets = np.zeros_like(chunks.tokens)
            for distinct, adapters in self._adapter_programs(shape[0]):
                scored = (self._leaves, state, chunks, targets, adapters)
                programs["score", *shape, distinct] = Program(on_leaves(steps.score, of_chunks, by_row), scored)
        for kind, size, inputs in () if self.media is None else self.media.programs:
            arrays = [jax.ShapeDtypeStruct(*given) for given in inputs]
            encode = jax.jit(partial(self._encode, kind), out_shardings=whole)
            programs[kind, 1, size, 0] = Program(encode, (self._leaves, *arrays))
        return programs

    def _adapter_programs(self, rows: int) -> Iterator[tuple[int, GivenAdapters]]:
        """The numbers of distinct adapters that there are programs of so many rows for, and what these take."""
        for distinct in self.config.distinct_adapters(rows):
            yield distinct, self.adapters.given(self.config.groups * rows, (), distinct) if self.adapters else None

    def _encode(self, kind: str, leaves: list[jax.Array], *inputs: jax.Array) -> jax.Array:
        embeddings: jax.Array = self._merge(leaves).media(kind, *inputs)  # type: ignore[misc]  # there is one
        return embeddings.astype(jnp.float32)


def compile_all(
    programs: Programs, progress: Progress, decode_options: dict[str, str] | None = None
) -> dict[Name, Any]:
    """Trace in order, compile side by side: as many as there are cores, since each takes hundreds of megabytes.

    decode_options: of the compiler, for the programs that decode.
    """
    finished = count(1)

    def tell(_: Future[Any]) -> None:
        host.trim()
        progress(next(finished), len(programs))

    progress(0, len(programs))
    pending: dict[Name, Future[Any]] = {}
    with ThreadPoolExecutor(min(MOST_COMPILE_THREADS, host.cores())) as pool, _no_garbage_collection():
        for name, program in programs.items():
            options = decode_options if name[0] == "decode" else None
            pending[name] = pool.submit(_compile, program.lower(), options)
            pending[name].add_done_callback(tell)
    compiled = {name: future.result() for name, future in pending.items()}
    progress(len(programs), len(programs))
    return compiled


def _compile(lowered: jax.stages.Lowered, options: dict[str, str] | None) -> Any:
    return lowered.compile(compiler_options=dict(options)) if options else lowered.compile()


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Tracing makes many objects and no garbage worth looking for: a quarter of its time went into that."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
