"""One small random decoder and engines around it, shared by the whole session."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from backend.attention import AttentionSpec
from backend.attention.reference import PagedAttention
from backend.attention.uncached import UncachedAttend
from backend.engine.config import EngineConfig
from backend.engine.engine import Engine
from backend.engine.model_runner import ModelRunner, Name, Programs, Progress
from backend.grammar import Grammar
from backend.models.config import AttentionConfig, DecoderConfig, LayerConfig, MLPConfig
from backend.models.decoder import Decoder, kv_specs
from backend.models.rope import RopeConfig
from backend.request import Prompt, Request, SamplingParams, TokenEvent
from tests.compiling import SERVED

CONTEXT, VOCAB = 200, 61
CONFIG = EngineConfig(
    CONTEXT,
    pages=64,
    page_tokens=4,
    row_buckets=(1, 4),
    prefill_shapes=((1, 8), (3, 8), (1, 32)),
    max_steps=8,
    max_queue=64,
    grammar_cells=1 << 15,
)
WORDS = [b"true", b"]]", b"},{", b'"a":', b"[[", b"aab", b'","', b"ba}", b"\xc3\xa9a", b"null"]
TOKENS = [b"", *(bytes([byte]) for byte in b'{}[]",:abcdetrufalsn0123456789.-+E\\ \n\xc3\xa9'), *WORDS]


def paged(decoder: Decoder, page_tokens: int = CONFIG.page_tokens) -> PagedAttention:
    """The reference back end in float32 for a decoder."""
    return PagedAttention(kv_specs(decoder.config), jnp.dtype(jnp.float32), page_tokens)


def as_served(programs: Programs, progress: Progress) -> dict[Name, Any]:
    """`compile_all`, whatever the session compiles other programs like: what holds to the bit is shown of these."""
    return {name: program.lower().compile(compiler_options=dict(SERVED)) for name, program in programs.items()}


class Small(NamedTuple):
    """A decoder, its compiled programs and an engine on them."""

    decoder: Decoder
    runner: ModelRunner
    engine: Engine


@pytest.fixture(scope="session")
def small() -> Iterator[Small]:
    specs = (AttentionSpec(8**-0.5), AttentionSpec(8**-0.5, window=20))
    layers = tuple(
        LayerConfig(AttentionConfig(spec, RopeConfig(), heads=4, kv_heads=2, head_dim=8), MLPConfig(48))
        for spec in specs
    )
    config = DecoderConfig(VOCAB, 32, layers, CONTEXT, norm_epsilon=1e-6, tied_head=True)
    decoder = Decoder(config, rngs=nnx.Rngs(0))
    state = nnx.state(decoder)
    nnx.update(decoder, jax.tree.map(lambda x: x * 8 if x.ndim == 2 and x.shape[0] == VOCAB else x * 1.5, state))
    runner = ModelRunner(decoder, CONFIG, paged(decoder), TOKENS, compiler=as_served)
    engine = Engine(runner)
    yield Small(decoder, runner, engine)
    engine.close()


@pytest.fixture(scope="session")
def whole_logits(small: Small) -> Callable[[list[int]], np.ndarray]:
    """float32 [T, V]: the decoder over a whole sequence at once, without cache, padded to one shape."""

    @jax.jit
    def run(tokens: jax.Array) -> jax.Array:
        positions = jnp.arange(tokens.size)[None]
        context = small.decoder.context(positions, UncachedAttend())
        hidden, _ = small.decoder(small.decoder.embed(tokens[None]), context, [None] * 2)
        return small.decoder.logits(hidden[0])

    def logits(tokens: list[int]) -> np.ndarray:
        padded = np.zeros(CONTEXT, np.int32)
        padded[: len(tokens)] = tokens
        return np.asarray(run(padded))[: len(tokens)]

    return logits


def request(
    prompt: list[int],
    seeds: tuple[int, ...] = (0,),
    top_logprobs: int | None = None,
    grammar: Grammar | None = None,
    **sampling,
) -> Request:
    """A request with an end token that is never drawn unless asked for."""
    params = {"max_tokens": 10, "end_tokens": (), **sampling}
    return Request(Prompt(tuple(prompt)), SamplingParams(**params), seeds, top_logprobs, grammar)


def tokens(events: list[TokenEvent], choice: int = 0) -> list[int]:
    """The tokens of one choice."""
    return [event.token for event in events if event.choice == choice]
