"""Decoding steps of random models beside the roofline, with grammars and without, with CUDA graphs and without."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from time import monotonic, perf_counter
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from backend.attention.choice import paged_attention
from backend.attention.reference import even_page_table
from backend.engine.config import EngineConfig
from backend.engine.model_runner import CUDA_GRAPHS, ModelRunner, Name, Program, Programs, compile_all
from backend.grammar import Constraint, Grammar
from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.compile import compile_constraint
from backend.models.config import DecoderConfig
from backend.models.decoder import Decoder, kv_specs
from backend.request import Prompt, Request, SamplingParams
from backend.target import platform
from benchmarks.aot.models import MODELS, abstract_decoder, llama
from benchmarks.constrained import RECORDS
from benchmarks.device.measuring import bandwidth, flops

STEPS, DISPATCHES = 16, 8
"""Steps of a dispatch, and dispatches that are timed."""
NEEDED = frozenset(("init", "admit", "decode"))


@dataclass(frozen=True)
class Size:
    """What is measured: a model, rows, and the tokens that each has before the first step."""

    config: DecoderConfig
    rows: tuple[int, ...]
    prompt: int
    bytes_read: int = 1 << 32
    matrix: int = 8192


TINY = Size(llama(2, 64, 128, 4, 2, 32, 512), (1, 4), 40, 1 << 24, 256)
SIZES = {"1b": Size(MODELS["1b"], (1, 8, 64), 1024), "8b": Size(MODELS["8b"], (1, 8, 64), 1024)}


def random_decoder(config: DecoderConfig) -> Decoder:
    """A decoder in bfloat16 with random kernels, made on the device."""
    decoder = abstract_decoder(config)
    state, keys = nnx.state(decoder), jax.random.key(0)

    @partial(jax.jit, static_argnums=(1, 2))
    def fill(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
        return (
            (0.02 * jax.random.normal(key, shape, jnp.bfloat16)).astype(dtype)
            if len(shape) > 1
            else jnp.ones(shape, dtype)
        )

    leaves, tree = jax.tree.flatten(state)
    filled = [fill(jax.random.fold_in(keys, i), x.shape, x.dtype) for i, x in enumerate(leaves)]
    nnx.update(decoder, jax.tree.unflatten(tree, filled))
    return decoder


class Decoding:
    """An engine's programs that decode, and rows to run them on."""

    def __init__(self, size: Size, tokens: Sequence[bytes] = (), graphs: bool = False) -> None:
        self.size, self.decoder, began = size, random_decoder(size.config), monotonic()
        specs, context = kv_specs(size.config), size.prompt + STEPS * (DISPATCHES + 2)
        self.backend = paged_attention(specs, jnp.dtype(jnp.bfloat16 if platform() != "cpu" else jnp.float32))
        pages = size.rows[-1] * -(-context // self.backend.page_tokens)
        sizes = EngineConfig(context, pages, row_buckets=size.rows, max_steps=STEPS)
        if platform() == "gpu":
            sizes = replace(sizes, grammar_masks=0)

        def compiler(programs: Programs, progress: Any) -> dict[Name, Any]:
            wanted: dict[Name, Program] = {name: each for name, each in programs.items() if name[0] in NEEDED}
            return compile_all(wanted, progress, CUDA_GRAPHS if graphs else None)

        self.runner = ModelRunner(self.decoder, sizes, self.backend, tokens, compiler=compiler)
        self.seconds_of_compiling = monotonic() - began

    def run(self, rows: int, grammar: Grammar | None = None) -> tuple[list[float], np.ndarray]:
        """Seconds of a step in each dispatch behind the first, and the tokens drawn, int [rows, tokens]."""
        runner, state = self.runner, self.runner.init_state()
        at = None if grammar is None else runner.arena.acquire(grammar.key, grammar.tables.result())
        sampling = SamplingParams(max_tokens=1 << 20, end_tokens=(), temperature=1.0, top_p=0.9)
        for row in range(rows):
            request = Request(Prompt((1,) * self.size.prompt), sampling, seeds=(row,))
            state = runner.admit(state, row, runner.row_state(request, 0, grammar=at))
        pages = runner.config.max_pages_per_row
        table = np.asarray(even_page_table(rows * pages, rows))
        taken, drawn = [], []
        for _ in range(DISPATCHES + 1):
            began = perf_counter()
            state, block = runner.decode(state, table, np.ones(rows, bool), STEPS, stop_on_finish=False)
            jax.block_until_ready(block.tokens)
            taken.append((perf_counter() - began) / STEPS)
            drawn.append(np.asarray(block.tokens))
            assert (np.asarray(block.steps) == STEPS).all() and not np.asarray(block.failed).any()
        return taken[1:], np.concatenate(drawn, axis=1)

    def step_bytes(self, rows: int) -> int:
        """Bytes that a step reads at least: all weights but an embedding's, and the keys and values of its rows."""
        read = [x for path, x in nnx.to_flat_state(nnx.state(self.decoder)) if path[0] != "embedding"]
        if self.decoder.head is None:
            read.append(self.decoder.embedding.values)
        weights = sum(x.get_value().nbytes for x in read)
        return weights + rows * self.size.prompt * self.backend.page_bytes // self.backend.page_tokens


def decode(name: str, rehearse: bool) -> list[dict[str, Any]]:
    """A model with each number of rows beside the roofline of bytes and products measured here."""
    size = TINY if rehearse else SIZES[name]
    made, reading, multiplying = Decoding(size), bandwidth(size.bytes_read), flops(size.matrix)
    found: list[dict[str, Any]] = [
        {
            "bytes a second": reading,
            "operations a second": multiplying,
            "seconds of compiling": made.seconds_of_compiling,
        }
    ]
    parameters = sum(x.size for x in jax.tree.leaves(nnx.state(made.decoder)))
    for rows in size.rows:
        steps, _ = made.run(rows)
        limit = max(made.step_bytes(rows) / reading, 2 * parameters * rows / multiplying)
        taken = median(steps)
        figures = {"rows": rows, "step": taken, "steps": steps, "roofline": limit, "times roofline": taken / limit}
        found.append(figures | {"tokens a second": rows / taken})
    return found


def constrained(rehearse: bool) -> list[dict[str, Any]]:
    """A vocabulary of 131,072 with a schema of records and without, by turns; every text must follow the schema."""
    size = TINY if rehearse else replace(SIZES["1b"], config=llama(16, 2048, 8192, 32, 8, 64, 131_072))
    tokens = spellings(size.config.vocab)
    made, tables = Decoding(size, tokens), compile_constraint(Constraint("json_schema", RECORDS))
    found = []
    for rows in size.rows:
        free = median(made.run(rows)[0])
        steps, drawn = made.run(rows, grammar_of(tables))
        again = median(made.run(rows)[0])
        valid = [follows(tables, b"".join(tokens[token] for token in row)) for row in drawn.tolist()]
        taken = median(steps)
        figures = {"rows": rows, "passed": all(valid), "constrained": taken, "free": [free, again]}
        found.append(figures | {"ratio": 2 * taken / (free + again)})
    return found


def graphs(on: bool, rehearse: bool) -> list[dict[str, Any]]:
    """Whole dispatches as one CUDA graph each, or not."""
    if platform() == "tpu":
        return [{"skipped": "CUDA graphs are for NVIDIA GPUs"}]
    size = TINY if rehearse else SIZES["1b"]
    made = Decoding(size, graphs=on and platform() == "gpu")
    return [{"rows": rows, "graphs": on, "step": median(made.run(rows)[0])} for rows in size.rows]


def spellings(size: int) -> tuple[bytes, ...]:
    """A vocabulary: the bytes, pieces of JSON, and words of one to nine letters, the same each time."""
    rng = np.random.default_rng(0)
    pieces = [
        b'":',
        b'", "',
        b'{"',
        b'"}',
        b"},",
        b"], ",
        b'"id"',
        b'"name"',
        b'"tags"',
        b": [",
        b'": "',
        b"12",
        b"2026",
    ]
    words = dict.fromkeys([*(bytes([byte]) for byte in range(256)), *pieces])
    letters = np.frombuffer(b"etaoinshrdlucmfwypvbgkjqxz ETAOINS", np.uint8)
    while len(words) < size:
        for length in rng.integers(1, 10, 4096).tolist():
            words[rng.choice(letters, length).tobytes()] = None
    return tuple(words)[:size]


def grammar_of(tables: AutomatonTables) -> Grammar:
    """Compiled tables as a request has them."""
    ready: Future[AutomatonTables] = Future()
    ready.set_result(tables)
    return Grammar("records", ready)


def follows(tables: AutomatonTables, text: bytes) -> bool:
    """Whether a text is the beginning of one that the grammar allows, by the automaton on the host."""
    runner = Runner(tables)
    at = runner.start
    for byte in text:
        after = runner.step(at, byte)
        if after is None:
            return False
        at = after
    return True
