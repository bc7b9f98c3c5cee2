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
from jax.sharding import Mesh

from backend import host
from backend.attention import AttentionBackend
from backend.engine import steps
from backend.engine.config import EngineConfig, bucket
from backend.engine.device_adapters import DeviceAdapters
from backend.engine.prefill_shapes import Shape
from backend.engine.state import Block, ChunkScores, DecodeState, RowState, first_row_state, init_state, state_axes
from backend.engine.steps import GivenAdapters, PrefillInput
from backend.grammar import token_spellings
from backend.grammar.device import state as grammar_state
from backend.grammar.device.arena import Arena, Placement
from backend.grammar.device.vocabulary import build_vocabulary
from backend.models.decoder import Decoder
from backend.models.media.interface import EncoderCall
from backend.request import Prompt, Request, SamplingParams, Span
from backend.sharding import placed, sharding
from backend.target import is_here

Name = tuple[str, int, int, int]
"""A program and its shape: rows, tokens, and distinct adapters that it takes; zeros where there is but one."""
Progress = Callable[[int, int], None]
MOST_COMPILE_THREADS = 4
CUDA_GRAPHS = {
    "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,CONDITIONAL,WHILE"
}
"""Options of XLA's compiler by which loops become part of CUDA graphs: else the host looks after each step whether
there is another."""
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


class PrefillChunk(NamedTuple):
    """Tokens of one sequence from position `start` on, and the pages of the sequence up to their end at least.

    spans: those of the prompt. chosen: indices of `tokens` whose hidden states are wanted, the last by default. places:
    int32 [3, tokens], what rotary embeddings with sections turn by; None for the positions themselves.
    targets: the tokens behind each, where these are to be scored. adapter: the slot of its adapter, -1 for none.
    """

    tokens: Sequence[int]
    start: int
    pages: Sequence[int]
    spans: Sequence[Span] = ()
    chosen: Sequence[int] = (-1,)
    targets: Sequence[int] = ()
    adapter: int = -1
    places: np.ndarray | None = None


class ModelRunner:
    """Owns the weights, grammars, adapters and compiled programs; every method takes the state and gives the next one.

    backend: how keys and values are kept, in pages of as many tokens as `config` says.
    tokens: the bytes that each token adds to a text, b"" for special ones; grammars need them, and know the special
    ones by their spelling as control tokens. knows_tokens: whether there are any. arena: the grammars. compiler: makes
    the programs; a decoder of shapes in place of weights is enough for one that never runs them.
    mesh: the devices over which the decoder's weights lie and everything else is split, None for one device.
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
        self.adapters = DeviceAdapters(decoder, config, mesh) if config.adapter_slots else None
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

        active: bool [B], rows that decode, B one of the batch sizes. page_table: int32 [B, M], the pages of each row.
        stop_on_finish: return as soon as a row has ended. slots: of each row's adapter, -1 for none.
        """
        distinct, adapters = self._given(active.size, slots)
        program, grammars = self._compiled["decode", active.size, 1, distinct], (self.arena.cells, self._vocabulary)
        last = (np.int32(steps), np.bool_(stop_on_finish), adapters)
        return program(self._leaves, state, *grammars, page_table, active, *last)

    def prefill(
        self, state: DecodeState, shape: Shape, chunks: Sequence[PrefillChunk]
    ) -> tuple[DecodeState, jax.Array]:
        """Compute the keys and values of chunks that fit `shape`, one of the (rows, tokens) that are compiled.

        Gives the next state and the hidden states of the chosen positions, [B, C, D], C `config.hidden_positions`.
        """
        distinct, adapters = self._given(shape[0], [chunk.adapter for chunk in chunks])
        program = self._compiled["prefill", *shape, distinct]
        return program(self._leaves, state, self._prefill_input(shape, chunks), adapters)

    def _given(self, rows: int, slots: Sequence[int]) -> tuple[int, GivenAdapters]:
        """How many distinct adapters the program for a call takes, and what it takes of them."""
        if self.adapters is None:
            return 0, None
        differing = len({slot for slot in slots if slot >= 0})
        distinct = bucket(self.config.distinct_adapters(rows), differing)
        return distinct, self.adapters.given(rows, slots, distinct)

    def embed(self, call: EncoderCall) -> np.ndarray:
        """The embeddings float32 [call.rows, D] that the decoder's encoder makes. May be called by any thread."""
        program = self._compiled[call.program.kind, 1, call.program.size, 0]
        return np.asarray(program(self._leaves, *call.inputs))[: call.rows]

    def score(self, state: DecodeState, shape: Shape, chunk: PrefillChunk) -> tuple[DecodeState, ChunkScores]:
        """`prefill` of one chunk by one of `config.scorings`; gives the next state and the scores of its `targets`."""
        targets = np.zeros(shape, np.int32)
        targets[0, : len(chunk.targets)] = chunk.targets
        distinct, adapters = self._given(shape[0], [chunk.adapter])
        program = self._compiled["score", *shape, distinct]
        return program(self._leaves, state, self._prefill_input(shape, [chunk]), targets, adapters)

    def pool(self, state: DecodeState, shape: Shape, chunks: Sequence[PrefillChunk]) -> tuple[DecodeState, jax.Array]:
        """`prefill` of an engine that pools; gives the next state and what each chunk is pooled to: `steps.pool`."""
        distinct, adapters = self._given(shape[0], [chunk.adapter for chunk in chunks])
        program = self._compiled["pool", *shape, distinct]
        return program(self._leaves, state, self._prefill_input(shape, chunks), adapters)

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
        return self._compiled["admit", 0, 0, 0](state, np.int32(row), start)

    def move_row(self, state: DecodeState, source: int, target: int) -> DecodeState:
        """Make row `target` equal to row `source`; gives the next state."""
        return self._compiled["move_row", 0, 0, 0](state, np.int32(source), np.int32(target))

    def copy_page(self, state: DecodeState, source: int, target: int) -> DecodeState:
        """Make page `target` equal to page `source` in every layer; gives the next state."""
        return self._compiled["copy_page", 0, 0, 0](state, np.int32(source), np.int32(target))

    def _uploading(self, base: int, image: np.ndarray) -> AbstractContextManager[None]:
        """Entered around each upload of a grammar into the arena."""
        return nullcontext()

    def _prefill_input(self, shape: Shape, chunks: Sequence[PrefillChunk]) -> PrefillInput:
        """The chunks as padded numpy arrays."""
        config = self.config
        page_table = np.zeros((shape[0], config.max_pages_per_row), np.int32)
        tokens, starts = np.full(shape, -1, np.int32), np.zeros(shape[0], np.int32)
        chosen = np.zeros((shape[0], config.hidden_positions), np.int32)
        arrays: dict[str, Any] = {"page_table": page_table, "tokens": tokens, "starts": starts, "chosen": chosen}
        if config.prompt_embeddings:
            arrays["is_embedding"] = np.zeros(shape, bool)
            arrays["embeddings"] = np.zeros((*shape, self._embed), np.float32)
        if config.both_ways:
            arrays["together"] = np.full((2, *shape), -1, np.int32)
        if config.features:
            arrays["features"] = np.zeros((config.features, *shape, self._embed), np.float32)
        if config.sections:
            arrays["places"] = np.full((3, *shape), -1, np.int32)
        for row, chunk in enumerate(chunks):
            size = len(chunk.tokens)
            page_table[row, : len(chunk.pages)] = chunk.pages
            if config.both_ways:
                arrays["together"][:, row, :size] = chunk.start + np.arange(size)
            if config.sections:
                own = np.tile(chunk.start + np.arange(size), (3, 1)) if chunk.places is None else chunk.places
                arrays["places"][:, row, :size] = own
            tokens[row, :size], starts[row] = chunk.tokens, chunk.start
            places = [place % size for place in chunk.chosen][: config.hidden_positions]
            chosen[row, : len(places)] = places
            for span in chunk.spans:
                first, last = max(span.start, chunk.start), min(span.start + span.length, chunk.start + size)
                if first < last:
                    at = slice(first - chunk.start, last - chunk.start)
                    arrays["is_embedding"][row, at] = True
                    arrays["embeddings"][row, at] = span.embeddings[first - span.start : last - span.start]
                    if span.features is not None:
                        part = span.features[:, first - span.start : last - span.start]
                        arrays["features"][: len(part), row, at] = part
                    if span.both_ways:
                        arrays["together"][:, row, at] = np.array([[span.start], [span.start + span.length - 1]])
        return PrefillInput(**arrays)

    def _programs(self) -> Programs:
        """Every program, with the shapes that it is compiled for."""
        shapes = jax.eval_shape(self._init_state)
        state = placed(shapes, state_axes(shapes, self._backend), self._mesh)
        whole = self._everywhere
        kept = None if self._mesh is None else jax.tree.map(lambda array: array.sharding, state)

        def on_leaves(step: Callable[..., Any], **static: Any) -> Any:
            static["backend"] = self._backend
            outputs = None if kept is None else (kept, whole)

            def call(leaves: list[Any], *args: Any) -> Any:
                return step(self._merge(leaves), *args, **static)

            return jax.jit(call, donate_argnums=1, out_shardings=outputs)

        def prefills(name: str, step: Callable[..., Any]) -> Programs:
            return {
                (name, *shape, distinct): Program(
                    on_leaves(step), (self._leaves, state, self._prefill_input(shape, []), adapters)
                )
                for shape in self.config.prefills
                for distinct, adapters in self._adapter_programs(shape[0])
            }

        init = Program(jax.jit(self._init_state, out_shardings=kept), ())
        if self.config.pooling is not None:
            return {("init", 0, 0, 0): init} | prefills("pool", steps.pool)
        one = self.row_state(Request(Prompt((0,)), SamplingParams(1, ()), (0,)), 0)
        number, flag, pages = np.int32(0), np.bool_(False), self.config.max_pages_per_row
        copy_page = partial(steps.copy_page, backend=self._backend)

        def on_state(step: Callable[..., Any]) -> Any:
            return jax.jit(step, donate_argnums=0, out_shardings=kept)

        programs: Programs = {
            ("init", 0, 0, 0): init,
            ("admit", 0, 0, 0): Program(on_state(steps.admit), (state, number, one)),
            ("move_row", 0, 0, 0): Program(on_state(steps.move_row), (state, number, number)),
            ("copy_page", 0, 0, 0): Program(on_state(copy_page), (state, number, number)),
        }

        for rows in self.config.batches:
            page_table, active = np.zeros((rows, pages), np.int32), np.zeros(rows, bool)
            args = (self._leaves, state, self.arena.cells, self._vocabulary, page_table, active, number, flag)
            for distinct, adapters in self._adapter_programs(rows):
                decode = on_leaves(steps.decode, max_steps=self.config.max_steps)
                programs["decode", rows, 1, distinct] = Program(decode, (*args, adapters))
        programs |= prefills("prefill", steps.prefill)
        for shape in self.config.scorings:
            chunks, targets = self._prefill_input(shape, []), np.zeros(shape, np.int32)
            for distinct, adapters in self._adapter_programs(shape[0]):
                scored = (self._leaves, state, chunks, targets, adapters)
                programs["score", *shape, distinct] = Program(on_leaves(steps.score), scored)
        for kind, size, inputs in () if self.media is None else self.media.programs:
            arrays = [jax.ShapeDtypeStruct(*given) for given in inputs]
            encode = jax.jit(partial(self._encode, kind), out_shardings=whole)
            programs[kind, 1, size, 0] = Program(encode, (self._leaves, *arrays))
        return programs

    def _adapter_programs(self, rows: int) -> Iterator[tuple[int, GivenAdapters]]:
        """The numbers of distinct adapters that there are programs of so many rows for, and what these take."""
        for distinct in self.config.distinct_adapters(rows):
            yield distinct, self.adapters.given(rows, (), distinct) if self.adapters else None

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
