"""Engines on one device and on several of the same process, for a process that was given several: see test_mesh.py."""

import json
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import jax
import numpy as np
from flax import nnx

from backend.attention import AttentionSpec
from backend.engine.config import EngineConfig
from backend.engine.engine import Engine
from backend.engine.model_runner import ModelRunner
from backend.grammar import Constraint
from backend.models.config import AttentionConfig, DecoderConfig, LayerConfig, MLPConfig
from backend.models.decoder import Decoder
from backend.models.rope import RopeConfig
from backend.request import Request
from backend.sharding import make_mesh, sharding
from benchmarks.aot import hlo
from tests.backend.engine.conftest import TOKENS, paged, request
from tests.backend.engine.test_grammars import grammar

VOCAB, CONTEXT, LAYERS = 96, 64, 2
SIZES = EngineConfig(
    CONTEXT, pages=24, page_tokens=4, row_buckets=(4,), prefill_shapes=((1, 16),), max_steps=4, grammar_cells=1 << 15
)
EXCHANGES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")


def make_decoder(kv_heads: int, window: int | None = None) -> Decoder:
    """A small one with random weights, always the same. window: of its first layer."""
    specs = (AttentionSpec(8**-0.5, window=window), AttentionSpec(8**-0.5))
    layers = tuple(
        LayerConfig(AttentionConfig(spec, RopeConfig(), heads=8, kv_heads=kv_heads, head_dim=8), MLPConfig(64))
        for spec in specs
    )
    decoder = Decoder(DecoderConfig(VOCAB, 32, layers, CONTEXT, norm_epsilon=1e-6), rngs=nnx.Rngs(0))
    nnx.update(decoder, jax.tree.map(lambda x: x * 4 if x.ndim == 2 else x, nnx.state(decoder)))
    return decoder


def spread(decoder: Decoder, mesh: jax.sharding.Mesh) -> Decoder:
    """The same with its weights over a mesh, as `weights.load` places them."""
    graph, state = nnx.split(decoder)
    flat = dict(nnx.to_flat_state(state))
    for path, parameter in decoder.parameters().items():
        value = flat[path].get_value()
        flat[path] = flat[path].replace(jax.device_put(value, sharding(mesh, parameter.axes, value.shape)))
    return nnx.merge(graph, nnx.from_flat_state(flat))


def requests(seed: int = 0) -> list[Request]:
    """Greedy and drawn, with every filter, log-probabilities, a grammar, and penalties. seed: of prompts and draws."""
    drawn = {"temperature": 0.9, "top_k": 20, "top_p": 0.9, "min_p": 0.02}
    return [
        request([3, 1, 4, 1, 5 + seed], top_logprobs=5, max_tokens=12),
        request([7, 8, 9 + seed], seeds=(seed + 1, seed + 2, seed + 3), max_tokens=12, **drawn),
        request(
            [5] * (20 - seed), seeds=(seed + 4,), max_tokens=12, temperature=1.0, repetition_penalty=1.3,
            logit_bias={9: 3.0},
        ),
        request(
            [2, 6 + seed], seeds=(seed + 5, 6), grammar=grammar(Constraint("json_object")), end_tokens=(0,),
            max_tokens=20, temperature=1.0,
        ),
    ]  # fmt: skip


def answers(engine: Engine, seed: int = 0, *, at_once: bool = False) -> list[object]:
    """What each request drew, with its log-probabilities. at_once: ask for all of them before the first has ended."""
    with ThreadPoolExecutor(4 if at_once else 1) as pool:
        found = list(pool.map(engine.generate, requests(seed)))
    # Choice by choice: how those of one request are interleaved depends on the time that steps take.
    events = [sorted(some, key=lambda event: event.choice) for some in found]
    return [[[e.choice, e.token, e.logprob, e.finish_reason] for e in some] for some in events]


def answers_of(runner: ModelRunner, seeds: Sequence[int] = (0,), *, at_once: bool = False) -> list[object]:
    """Those of an engine with this runner, for each seed in turn."""
    engine = Engine(runner)
    try:
        found = [some for seed in seeds for some in answers(engine, seed, at_once=at_once)]
        assert not engine.stats().pages_used
        return found
    finally:
        engine.close()


def exchanges(text: str) -> dict[str, int]:
    """How often a program exchanges what between devices."""
    counts = {name: len(re.findall(rf" {name}(?:-start)?\(", text)) for name in EXCHANGES}
    return {name: count for name, count in counts.items() if count}


def gathered(text: str) -> int:
    """Numbers in the largest array that is gathered."""
    shapes = re.findall(r"= \w+\[([\d,]*)\][^=]* all-gather", text)
    return int(max((np.prod([int(length) for length in shape.split(",")]) for shape in shapes), default=0))


if __name__ == "__main__":
    groups, devices, kv_heads, seeds = map(int, sys.argv[1:])
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    whole = make_decoder(kv_heads, window=16)
    alone = answers_of(ModelRunner(whole, SIZES, paged(whole), TOKENS), range(seeds))
    mesh = make_mesh(jax.devices()[: groups * devices], [kv_heads], groups)
    runner = ModelRunner(spread(whole, mesh), replace(SIZES, groups=groups), paged(whole), TOKENS, mesh=mesh)
    texts = {name[0]: program.as_text() for name, program in runner._compiled.items()}
    talking = [sorted(some) for text in texts.values() for some in hlo.read(text).exchanging()]
    together = answers_of(runner, range(seeds), at_once=True)
    print(json.dumps({"alone": alone, "together": together, "mesh": list(mesh.shape.values()),
                      "prefill": exchanges(texts["prefill"]), "gathered": gathered(texts["decode"]),
                      "talking": talking}))  # fmt: skip
