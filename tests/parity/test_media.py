"""Families with media against transformers (torch, fp32): logits of drawn checkpoints, and whole engines' answers."""

import copy
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from backend.attention.choice import paged_attention
from backend.attention.uncached import UncachedAttend
from backend.engine.config import EngineConfig
from backend.engine.engine import Engine
from backend.engine.media import MediaEncoder
from backend.engine.model_runner import ModelRunner
from backend.media import Medium, Picture
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder, kv_specs
from backend.models.weights import load
from backend.request import Prompt, Request, SamplingParams, TokenEvent
from tests.backend.engine.scenarios import Scenario, run_all, running, settled
from tests.parity import media
from tests.parity.programs import compile_quickly
from tests.parity.test_parity import assert_close, steps_before_a_tie

NEW = 64
IDS = {"gemma4_unified": {"image": 90, "video": 91, "audio": 92}, "qwen3_vl": {"image": 90, "video": 91}}
"""The tokens that fill runs."""
DRAWN = settings(
    deadline=None,
    derandomize=False,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SIZES = EngineConfig(
    context=1024,
    pages=160,
    row_buckets=(1, 4),
    prefill_shapes=((1, 32), (1, 80)),
    grammar_cells=1 << 15,
    prompt_embeddings=True,
    both_ways=70,
)


def shown(modalities: Sequence[str] = ("image", "audio", "video")) -> st.SearchStrategy[list[Medium]]:
    """A few media, and perhaps one of them again."""
    some = st.lists(media.media(modalities), min_size=1, max_size=3)
    return some.flatmap(lambda m: st.permutations(m + m[:1]) | st.just(m))


def texts(count: int) -> st.SearchStrategy[list[list[int]]]:
    """Text before, between and behind media, as templates have at least a mark there."""
    inner = st.lists(st.lists(st.integers(0, 63), min_size=1, max_size=40), min_size=count, max_size=count)
    return st.tuples(inner, st.lists(st.integers(0, 63), min_size=1, max_size=9)).map(
        lambda drawn: [*drawn[0], drawn[1]]
    )


def given_to_torch(family: str, prompt: Prompt, seen: Sequence[Medium]) -> dict[str, Any]:
    inputs = media.qwen3_vl_inputs(seen) if family == "qwen3_vl" else media.gemma4_unified_inputs(seen, 2, 2, 10)
    return media.inputs_of(prompt.tokens, IDS[family], inputs)


def written(encoder: MediaEncoder, seen: Sequence[Medium], between: Sequence[Sequence[int]]) -> Prompt:
    tokens = media.prompt_parts([encoder.written(medium) for medium in seen], between)
    return encoder.prompt(tokens, [encoder.encode(medium) for medium in seen])


class Eager:
    """A `ModelRunner` as far as a `MediaEncoder` needs one, without compiling anything ahead."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def embed(self, call):
        return np.asarray(self._decoder.media(call.program.kind, *call.inputs))[: call.rows]


def whole_logits(decoder: Decoder, prompt: Prompt) -> np.ndarray:
    """float32 [T, V]: a prompt in one pass, without a cache."""
    tokens, together = jnp.asarray(prompt.tokens)[None], np.tile(np.arange(len(prompt)), (2, 1, 1))
    x = np.array(decoder.embed(tokens))
    for span in prompt.spans:
        at = slice(span.start, span.start + span.length)
        x[0, at] = span.embeddings
        if span.both_ways:
            together[:, 0, at] = [[at.start], [at.stop - 1]]
    counts = [len(span.features) for span in prompt.spans if span.features is not None]
    features = np.zeros((max(counts, default=0), *x.shape), np.float32)
    for span in prompt.spans if counts else ():
        features[:, 0, span.start : span.start + span.length] = span.features
    places = None if prompt.places is None else jnp.asarray(prompt.places)[:, None]
    attend = UncachedAttend(together=jnp.asarray(together))
    context = decoder.context(jnp.arange(len(prompt))[None], attend, places, features=jnp.asarray(features))
    hidden, _ = decoder(jnp.asarray(x), context, [None] * len(decoder.config.layers))
    return np.asarray(decoder.logits(hidden[0]))


@pytest.mark.parametrize("family", IDS)
@settings(DRAWN, max_examples=2)
@given(data=st.data(), disk=st.sampled_from(["fp32", "bf16"]), seed=st.integers(0, 2**31))
def test_logits_are_those_of_transformers(family: str, data: st.DataObject, disk: str, seed: int) -> None:
    fields, seen = data.draw(media.CONFIGURATIONS[family]()), data.draw(shown(sorted(IDS[family])))
    with tempfile.TemporaryDirectory() as name:
        media.save(family, fields, Path(name), seed, disk)
        decoder = load(open_checkpoint(Path(name)), jnp.float32)
        encoder = MediaEncoder(Eager(decoder), decoder.config.media)
        prompt = written(encoder, seen, data.draw(texts(len(seen))))
        expected = media.prompt_logits(media.oracle(Path(name)), given_to_torch(family, prompt, seen))
    assert_close(whole_logits(decoder, prompt), expected)


class Served(NamedTuple):
    """One checkpoint in an engine, and in transformers."""

    family: str
    runner: ModelRunner
    engine: Engine
    oracle: Any


@pytest.fixture(scope="module", params=IDS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    family, folder = request.param, tmp_path_factory.mktemp(request.param)
    media.save(family, media.FIXED[family], folder, seed=5)
    decoder = load(open_checkpoint(folder), jnp.float32)
    config = decoder.config.media
    sizes = replace(SIZES, both_ways=config.both_ways, features=config.features, sections=family == "qwen3_vl")
    backend = paged_attention(kv_specs(decoder.config), jnp.dtype(jnp.float32))
    runner = ModelRunner(decoder, sizes, backend, compiler=compile_quickly)
    with running(runner) as engine:
        yield Served(family, runner, engine, media.oracle(folder))


def generate(engine: Engine, prompt: Prompt) -> list[TokenEvent]:
    return engine.generate(Request(prompt, SamplingParams(NEW, (), temperature=0), (0,), top_logprobs=20))


def assert_same_answer(events: list[TokenEvent], answer: media.Answer) -> None:
    """The same tokens as far as rounding cannot turn them, and their log-probabilities."""
    clear = int(steps_before_a_tie(answer.logits[None])[0])
    assert [event.token for event in events][:clear] == answer.tokens[:clear].tolist()
    exact = jax.nn.log_softmax(answer.logits, axis=-1)
    for event, row in zip(events[:clear], exact, strict=False):
        tokens, found = zip(*event.top_logprobs, strict=True)
        np.testing.assert_allclose(found, row[np.array(tokens)], rtol=0, atol=2e-4 * np.abs(answer.logits).max())


def check_answer(served: Served, data: st.DataObject) -> None:
    """Computed, and with what the cache has of the prompt."""
    seen = data.draw(shown(sorted(IDS[served.family])))
    prompt = written(served.engine.media, seen, data.draw(texts(len(seen))))
    expected = media.answer(served.oracle, given_to_torch(served.family, prompt, seen), NEW)
    for _ in range(2):
        assert_same_answer(generate(served.engine, prompt), expected)


@settings(DRAWN, max_examples=2)
@given(data=st.data())
def test_an_engine_answers_as_transformers(served: Served, data: st.DataObject) -> None:
    check_answer(served, data)


def test_who_gives_way_and_who_finds_a_picture_is_answered_as_by_transformers(served: Served) -> None:
    """Pictures of one size at several places, with as many pages as one context has: what gave way is computed again
    with its pictures, and pages are found by who shows the same."""
    random = np.random.default_rng(0)
    one, other, third = (Picture(random.integers(256, size=(24, 24, 3), dtype=np.uint8), name) for name in "abc")
    lead, behind = random.integers(64, size=(2, 140)).tolist()
    pictures = [(one,), (other,), (one,), (one, other), (other, one)]
    shown = [(lead[i:], *seen) for i, seen in enumerate(pictures)]

    def asked(text: list[int], *seen: Picture) -> Request:
        between = [text, *[behind[:9]] * (len(seen) - 1), behind[9:30]]
        sampling = SamplingParams(3 * NEW, (), temperature=0)
        return Request(written(served.engine.media, seen, between), sampling, (0,), top_logprobs=20)

    small = copy.copy(served.runner)
    small.config = replace(small.config, pages=-(-small.config.context // small.config.page_tokens))
    with running(small) as engine:
        outcomes = run_all(engine, [Scenario(asked(*each)) for each in shown])
        assert settled(engine).preemptions
        later = [(lead, one), (lead, one), (lead, third), (lead[9:], third)]
        found = [run_all(engine, [Scenario(asked(*each))])[0].admission.cached_tokens for each in later]
    page = small.config.page_tokens
    assert found[1] > len(lead) + page and len(lead) - page < found[2] <= len(lead) and found[3] == 0
    for (text, *seen), outcome in zip(shown, outcomes, strict=True):
        given_prompt = given_to_torch(served.family, asked(text, *seen).prompt, seen)
        expected = media.answer(served.oracle, given_prompt, NEW)
        assert_same_answer(outcome.events, expected)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(DRAWN, max_examples=200)
@given(data=st.data())
def test_an_engine_always_answers_as_transformers(served: Served, data: st.DataObject) -> None:
    check_answer(served, data)
