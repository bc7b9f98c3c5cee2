"""A row whose logits are not finite ends with an error, and neighbours, pages and later requests are well."""

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from backend.engine.engine import Engine
from backend.engine.model_runner import ModelRunner
from backend.models.decoder import Decoder
from backend.request import RequestFailed
from tests.backend.engine.conftest import CONFIG, TOKENS, Small, paged, request, tokens

NAN, INFINITE = 7, 8
"""Tokens whose embeddings are not finite in the engine of this module."""


def broken(small: Small) -> Decoder:
    """The decoder with two embeddings that are not finite; the head, which is the same table, stays as it is."""
    graph, state = nnx.split(small.decoder)
    copy = nnx.merge(graph, jax.tree.map(jnp.array, state))
    embed = copy.embed

    def spoilt(ids: jax.Array) -> jax.Array:
        right = jnp.where((ids == NAN)[..., None], jnp.nan, embed(ids))
        return jnp.where((ids == INFINITE)[..., None], jnp.inf, right)

    copy.embed = spoilt
    return copy


@pytest.fixture(scope="module")
def engine(small: Small) -> Iterator[Engine]:
    decoder, config = broken(small), replace(CONFIG, row_buckets=(4,), prefill_shapes=((1, 32),), prompt_logprobs=True)
    made = Engine(ModelRunner(decoder, config, paged(decoder), TOKENS))
    yield made
    made.close()


def fails(engine: Engine, asked) -> None:
    with pytest.raises(RequestFailed, match="not finite") as raised:
        engine.generate(asked)
    assert isinstance(raised.value.__cause__, FloatingPointError)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("prompt", [[1, NAN], [NAN, 1, 2], [1, INFINITE], [1, 2, INFINITE, *range(20, 50)]])
def test_a_prompt_that_leads_to_it_fails(engine: Engine, prompt: list[int], temperature: float) -> None:
    fails(engine, request(prompt, temperature=temperature, top_logprobs=2))


@pytest.mark.parametrize("drawn", [0, 3])
def test_a_prompt_that_cannot_be_scored_fails(engine: Engine, drawn: int) -> None:
    fails(engine, replace(request([1, NAN, 2, 3], max_tokens=drawn, top_logprobs=0), prompt_logprobs=True))
    assert len(engine.generate(request([1, 2], max_tokens=3))) == 3


def test_a_token_that_is_drawn_and_leads_to_it_fails_with_the_next(engine: Engine) -> None:
    fails(engine, request([1, 2, 3], logit_bias={NAN: 100.0}))
    events = engine.generate(request([1, 2, 3], logit_bias={NAN: 100.0}, max_tokens=1))
    assert tokens(events) == [NAN] and events[-1].finish_reason == "length"


def test_neighbours_draw_what_they_draw_alone_and_all_pages_come_back(engine: Engine) -> None:
    good = [request([i, i + 1, i + 2], seeds=(i,), max_tokens=12) for i in range(10, 13)]
    alone = [tokens(engine.generate(asked)) for asked in good]
    bad = request([1, NAN], seeds=(1, 2), max_tokens=12)
    received: list[list] = [[], [], [], []]
    for asked, sink in zip([good[0], bad, *good[1:]], received, strict=True):
        engine._enqueue(asked, sink.append)
    until = time.monotonic() + 60
    while not all(sink and not isinstance(sink[-1], list) for sink in received):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert isinstance(received.pop(1)[-1], RequestFailed)
    assert [tokens(list(chain(*sink[:-1]))) for sink in received] == alone and all(
        sink[-1] is None for sink in received
    )
    assert engine.stats().pages_used == 0 and engine.stats().running == 0


def test_what_was_computed_for_it_is_not_taken_over(engine: Engine) -> None:
    prompt = [*range(20, 40), NAN]
    engine.generate(request(prompt[:20], max_tokens=1))
    cached = engine.stats().pages_cached
    fails(engine, request(prompt))
    assert engine.stats().pages_cached < cached
    assert engine.generate(request(prompt[:20], max_tokens=1))
