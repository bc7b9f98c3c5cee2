"""Spans whose positions see each other both ways: never cut, found again, computed again after giving way."""

import asyncio
import copy
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.attention.uncached import UncachedAttend
from backend.engine import media
from backend.engine.config import EngineConfig, prefill_shapes
from backend.engine.engine import Engine
from backend.engine.model_runner import ModelRunner
from backend.request import Prompt, QueueFull, Request, SamplingParams, Span
from tests.backend.engine.conftest import TOKENS, VOCAB, paged, tokens
from tests.backend.engine.scenarios import (
    FEW,
    LENGTH,
    SMALLEST,
    Scenario,
    alone,
    exact,
    run_all,
    running,
    settled,
)

MOST, EMBED = 32, 32
NEW = 12


@pytest.fixture(scope="module")
def seeing(small) -> ModelRunner:
    """The small decoder's programs, of which those of prompts take spans."""
    return ModelRunner(
        small.decoder, replace(FEW, prompt_embeddings=True, both_ways=MOST), paged(small.decoder), TOKENS
    )


@pytest.fixture(scope="module")
def exact_logits(small):
    """float32 [V]: what follows a prompt and some tokens, in one pass without a cache."""

    @jax.jit
    def run(ids, embeddings, together, last):
        x = jnp.where(jnp.isnan(embeddings), small.decoder.embed(ids[None]), embeddings)
        context = small.decoder.context(jnp.arange(LENGTH)[None], UncachedAttend(together=together))
        hidden, _ = small.decoder(x, context, [None] * 2)
        return small.decoder.logits(hidden[0, last])

    def logits(prompt: Prompt, output: list[int]) -> np.ndarray:
        ids, embeddings = np.zeros(LENGTH, np.int32), np.full((1, LENGTH, EMBED), np.nan, np.float32)
        together = np.tile(np.arange(LENGTH), (2, 1, 1))
        given = [*prompt.tokens, *output]
        ids[: len(given)] = given
        for span in prompt.spans:
            at = slice(span.start, span.start + span.length)
            embeddings[0, at] = span.embeddings
            if span.both_ways:
                together[:, 0, at] = [[at.start], [at.stop - 1]]
        return np.asarray(run(ids, embeddings, together, len(given) - 1))

    return logits


def varied(runner: ModelRunner, **changes) -> ModelRunner:
    other = copy.copy(runner)
    other.config = replace(runner.config, **changes)
    return other


def span(start: int, length: int, picture: int, both_ways: bool = True) -> Span:
    numbers = np.random.default_rng(picture).normal(size=(length, EMBED)).astype(np.float32)
    return Span(start, length, (picture, length), numbers, both_ways)


@st.composite
def prompts(draw: st.DrawFn) -> Prompt:
    """Text and up to three spans, of few contents."""
    parts, spans = [0] * draw(st.integers(0, 9)), []
    for _ in range(draw(st.integers(1, 3))):
        length, room = draw(st.integers(1, MOST)), LENGTH - NEW - 8 - len(parts)
        length = min(length, room)
        if length < 1:
            break
        spans.append(span(len(parts), length, draw(st.integers(0, 1)), draw(st.booleans())))
        parts += [1] * length + [2] * draw(st.integers(0, 7))
    return Prompt((*parts[: LENGTH - NEW - 1], draw(st.integers(3, VOCAB - 1))), tuple(spans))


def asked(prompt: Prompt, seeds: tuple[int, ...] = (0,)) -> Request:
    return Request(prompt, SamplingParams(NEW, (), temperature=0), seeds, top_logprobs=1)


@settings(max_examples=15, deadline=None)
@given(prompt=prompts())
def test_an_answer_is_that_of_one_pass_over_all(seeing, exact_logits, prompt: Prompt) -> None:
    (events,) = alone(seeing, asked(prompt))
    drawn = tokens(events)
    for i in (0, 1, NEW - 1):
        logits = exact_logits(prompt, drawn[:i])
        assert events[i].logprob == pytest.approx(float(jax.nn.log_softmax(logits).max()), abs=1e-4)


@settings(max_examples=8, deadline=None)
@given(given_prompts=st.lists(prompts(), min_size=2, max_size=5), pages=st.sampled_from([SMALLEST, 30, 96]))
def test_neighbours_preemption_and_what_was_seen_before_change_nothing(seeing, given_prompts, pages: int) -> None:
    requests = [asked(prompt) for prompt in (*given_prompts, given_prompts[0])]
    with running(varied(seeing, pages=pages)) as engine:
        together = run_all(engine, [Scenario(request) for request in requests])
        again = run_all(engine, [Scenario(requests[0], submit_after=0.01)])
        settled(engine)
    for request, outcome in zip([*requests, requests[0]], [*together, *again], strict=True):
        (single,) = alone(seeing, request)
        assert [event.logprob for event in outcome.events] == pytest.approx([e.logprob for e in single], abs=1e-4)
        assert tokens(outcome.events) == tokens(single)


def test_a_call_takes_all_of_what_sees_both_ways(seeing) -> None:
    prompt = Prompt((0,) * 20 + (1,) * MOST + (2,) * 9, (span(20, MOST, 0),))
    noting, calls = copy.copy(seeing), []
    noting.prefill = lambda state, shape, chunks: calls.append(chunks) or seeing.prefill(state, shape, chunks)
    alone(noting, asked(prompt))
    ends = [chunk.start + len(chunk.tokens) for chunks in calls for chunk in chunks]
    assert ends == sorted(ends) and ends[-1] == len(prompt) - 1
    assert not any(20 < end < 20 + MOST for end in ends) and 20 in ends


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_second_turn_finds_the_picture_and_another_picture_does_not(seeing, deterministic: bool) -> None:
    fixed = exact(32) if deterministic else {}
    first = Prompt((0,) * 40 + (1,) * 30 + (2,), (span(40, 30, 0),))
    more = (3,) * 6
    with running(varied(seeing, **fixed)) as engine:
        (seen,) = run_all(engine, [Scenario(asked(first))])
        second = Prompt((*first.tokens, *more), first.spans)
        other = Prompt((*first.tokens, *more), (span(40, 30, 1),))
        found, missed = (run_all(engine, [Scenario(asked(prompt))])[0] for prompt in (second, other))
        settled(engine)
    assert seen.admission.cached_tokens == 0
    assert found.admission.cached_tokens == (32 if deterministic else 68)
    assert missed.admission.cached_tokens == (32 if deterministic else 40)
    for prompt, outcome in ((second, found), (other, missed)):
        (single,) = alone(varied(seeing, **fixed), asked(prompt))
        assert tokens(single) == tokens(outcome.events)
        if deterministic:
            assert single == outcome.events


def test_choices_share_a_prompt_that_ends_within_a_page(seeing) -> None:
    prompt = Prompt((0,) * 3 + (1,) * 30 + (2,) * 2, (span(3, 30, 0),))
    with running(seeing) as engine:
        (outcome,) = run_all(engine, [Scenario(asked(prompt, seeds=(0, 1, 2)))])
    (single,) = alone(seeing, asked(prompt))
    assert all(tokens(outcome.events, choice) == tokens(single) for choice in range(3))


@pytest.mark.parametrize(("most", "last"), [(0, 256), (200, 256), (280, 288), (1120, 1120)])
def test_there_is_a_program_for_the_longest_run(most: int, last: int) -> None:
    shapes = prefill_shapes(most, 16, deterministic=False)
    config = EngineConfig(2048, pages=128, prefill_shapes=shapes, both_ways=most)
    assert config.prefills[-1] == (1, last) and config.prefills[0] == (1, 32)
    one = prefill_shapes(most, 16, deterministic=True)
    exact_config = EngineConfig(2048, pages=128, prefill_shapes=one, both_ways=most, deterministic=True)
    assert len(exact_config.prefills) == 1 and exact_config.chunk >= max(32, most) and exact_config.chunk % 16 == 0


def test_what_waiting_requests_hold_of_media_is_bounded_and_comes_back(seeing, monkeypatch) -> None:
    """Of three units a client has at most two beside another; who needs more than all has them to itself."""
    monkeypatch.setattr(media, "HELD_UNIT", 4 * EMBED * MOST)
    monkeypatch.setattr("backend.engine.engine.most_held", lambda: 3)
    shown = asked(Prompt((1,) * MOST + (2,), (span(0, MOST, 0),)))
    large = asked(Prompt((1,) * 2 * MOST + (2,), (span(0, MOST, 0), span(MOST, MOST, 1))))
    text = asked(Prompt((1, 2)))

    async def run(engine: Engine) -> None:
        held = [engine.submit(replace(shown, client="a")) for _ in range(2)]
        for refused in (replace(shown, client="a"), replace(large, client="b")):
            with pytest.raises(QueueFull):
                engine.submit(refused)
        others = [engine.submit(replace(shown, client="b")), engine.submit(replace(text, client="a"))]
        for generation in (*held, *others):
            async for _ in generation:
                pass
        alone = engine.submit(large)
        with pytest.raises(QueueFull):
            engine.submit(replace(large, client="b"))
        async for _ in alone:
            pass

    with running(seeing) as engine:
        asyncio.run(run(engine))
        assert tokens(engine.generate(large)) == tokens(engine.generate(large))
        settled(engine)
