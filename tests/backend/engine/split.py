"""Engines on one device and on several of the same process, for a process that was given several: see test_mesh.py."""

import json
import re
import sys

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
from tests.backend.engine.conftest import TOKENS, paged, request
from tests.backend.engine.test_grammars import grammar

VOCAB, CONTEXT, LAYERS = 64, 64, 2
SIZES = EngineConfig(
    CONTEXT, pages=24, page_tokens=4, row_buckets=(4,), prefill_shapes=((1, 16),), max_steps=4, grammar_cells=1 << 15
)
EXCHANGES = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")


def make_decoder(kv_heads: int) -> Decoder:
    """A small one with random weights, always the same."""
    attention = AttentionConfig(AttentionSpec(8**-0.5), RopeConfig(), heads=8, kv_heads=kv_heads, head_dim=8)
    layers = (LayerConfig(attention, MLPConfig(64)),) * LAYERS
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


def requests() -> list[Request]:
    """Greedy and drawn, with every filter, log-probabilities, a grammar, and penalties."""
    drawn = {"temperature": 0.9, "top_k": 20, "top_p": 0.9, "min_p": 0.02}
    return [
        request([3, 1, 4, 1, 5], top_logprobs=5, max_tokens=12),
        request([7, 8, 9], seeds=(1, 2, 3), max_tokens=12, **drawn),
        request([5] * 20, seeds=(4,), max_tokens=12, temperature=1.0, repetition_penalty=1.3, logit_bias={9: 3.0}),
        request(
            [2, 6], seeds=(5, 6), grammar=grammar(Constraint("json_object")), end_tokens=(0,), max_tokens=20,
            temperature=1.0,
        ),
    ]  # fmt: skip


def answers(engine: Engine) -> list[object]:
    """What each request drew, with its log-probabilities."""
    # Choice by choice: how those of one request are interleaved depends on the time that steps take.
    events = [sorted(engine.generate(asked), key=lambda event: event.choice) for asked in requests()]
    return [[[e.choice, e.token, e.logprob, e.finish_reason] for e in some] for some in events]


def answers_of(runner: ModelRunner) -> list[object]:
    """Those of an engine with this runner."""
    engine = Engine(runner)
    try:
        return answers(engine)
    finally:
        engine.close()


def exchanges(text: str) -> dict[str, int]:
    """How often a program exchanges what between devices."""
    counts = {name: len(re.findall(rf" {name}(?:-start)?\(", text)) for name in EXCHANGES}
    return {name: count for name, count in counts.items() if count}


def gathered(text: str) -> int:
    """Numbers in the largest array that is gathered, where nobody asks for log-probabilities."""
    found = re.findall(r"= \w+\[([\d,]*)\][^=]* all-gather[^\n]*op_name=\"([^\"]*)\"", text)
    sizes = (np.prod([int(length) for length in shape.split(",")]) for shape, name in found if "top_k" not in name)
    return int(max(sizes, default=0))


if __name__ == "__main__":
    devices, kv_heads = map(int, sys.argv[1:])
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    whole = make_decoder(kv_heads)
    alone = answers_of(ModelRunner(whole, SIZES, paged(whole), TOKENS))
    mesh = make_mesh(jax.devices()[:devices], [kv_heads])
    runner = ModelRunner(spread(whole, mesh), SIZES, paged(whole), TOKENS, mesh=mesh)
    decode, prefill = (runner._compiled[name].as_text() for name in (("decode", 4, 1, 0), ("prefill", 1, 16, 0)))
    print(json.dumps({"alone": alone, "together": answers_of(runner), "mesh": list(mesh.shape.values()),
                      "prefill": exchanges(prefill), "gathered": gathered(decode)}))  # fmt: skip
