"""A row's tokens are those of its own adapter, whatever its neighbours have and however few slots there are."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.attention.uncached import UncachedAttend
from backend.models.errors import CheckpointError
from backend.request import AdapterExists, Request, RequestFailed, UnknownAdapter
from tests.backend.engine.adapters import NAMES, merged, serving, varied, write_all
from tests.backend.engine.conftest import CONTEXT, Small, request, tokens
from tests.backend.engine.scenarios import SMALLEST, Scenario, exact, of_choice, run_all, settled
from tests.backend.engine.test_properties import (
    assert_consistent,
    assert_logprobs_are_the_models,
    cut_short,
    differing,
    requests,
)
from tests.backend.models.adapters.writing import write_adapter

Logits = Callable[[list[int]], np.ndarray]
adapters = st.none() | st.sampled_from(NAMES)
scenarios = st.builds(
    Scenario,
    st.builds(lambda asked, adapter: replace(asked, adapter=adapter), requests(), adapters),
    st.sampled_from([0.0, 0.0, 0.002, 0.01]),
    st.none() | st.none() | st.integers(0, 20),
    st.none() | st.none() | st.integers(1, 10),
)
crowds = st.lists(scenarios, min_size=2, max_size=10)


@pytest.fixture(scope="module")
def folders(small: Small, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_all(small.decoder, tmp_path_factory.mktemp("adapters"))


@pytest.fixture(scope="module")
def logits_of(small: Small, folders: dict[str, Path]) -> dict[str | None, Logits]:
    """float32 [T, V] of a whole sequence by weights that have the adapter in them, and by those without one."""

    @jax.jit
    def run(state, tokens: jax.Array) -> jax.Array:
        decoder = nnx.merge(graph, state)
        context = decoder.context(np.arange(CONTEXT)[None], UncachedAttend())
        return decoder.logits(decoder(decoder.embed(tokens[None]), context, [None] * 2)[0][0])

    graph, plain = nnx.split(small.decoder)
    states = {name: nnx.state(merged(small.decoder, folder)) for name, folder in folders.items()} | {None: plain}

    def of(state) -> Logits:
        return lambda ids: np.asarray(run(state, np.pad(np.asarray(ids, np.int32), (0, CONTEXT - len(ids)))))[
            : len(ids)
        ]

    return {name: of(state) for name, state in states.items()}


@settings(max_examples=6)
@given(crowd=crowds, pages=st.just(SMALLEST) | st.integers(SMALLEST, 64), behind=st.booleans())
def test_rows_of_any_adapters_draw_what_their_own_weights_say(small, folders, logits_of, crowd, pages, behind):
    """Of eight adapters on three slots, with arrivals, cancellations and preemption; rounding may tip a draw."""
    with serving(small, folders, pages=pages, read_behind=behind) as engine:
        outcomes = run_all(engine, crowd)
        settled(engine)
        alone = [
            [engine.generate(replace(each.request, seeds=(seed,))) for seed in each.request.seeds] for each in crowd
        ]
    tipped = 0
    for scenario, seen, expected in zip(crowd, outcomes, alone, strict=True):
        assert_consistent(scenario, seen.events)
        assert_logprobs_are_the_models(scenario.request, seen.events, logits_of[scenario.request.adapter])
        tipped += differing(scenario, seen.events, expected)
    assert tipped <= 1


@settings(max_examples=4)
@given(crowd=crowds)
def test_deterministic_choices_are_to_the_bit_what_they_are_alone(small, folders, crowd):
    with serving(small, folders, **exact(8)) as engine:
        outcomes = run_all(engine, crowd)
        settled(engine)
        for scenario, seen in zip(crowd, outcomes, strict=True):
            for choice, seed in enumerate(scenario.request.seeds):
                whole = engine.generate(replace(scenario.request, seeds=(seed,)))
                got = of_choice(seen.events, choice)
                assert got == whole[: len(got) if cut_short(scenario, choice) else None]


def asks(adapter: str | None, prompt: tuple[int, ...] = (1, 2, 3), **sampling) -> Request:
    return replace(request(list(prompt), **{"temperature": 0.0, "max_tokens": 20, **sampling}), adapter=adapter)


def test_nothing_is_compiled_when_adapters_come_go_and_share_calls(small, folders):
    with serving(small, {}) as engine:
        for name, folder in folders.items():
            engine.load_adapter(name, folder)
        run_all(engine, [Scenario(asks(name)) for name in (*NAMES, None) * 2])
        engine.unload_adapter(NAMES[0])
        engine.load_adapter(NAMES[0], folders[NAMES[1]])
        one, other = (tokens(engine.generate(asks(name))) for name in NAMES[:2])
        stats = settled(engine)
    assert one == other
    assert stats.compilations == 0
    assert stats.adapters_placed > 8 and stats.adapters_resident == 3


def test_equal_prompts_of_several_adapters_share_no_page_and_of_one_they_do(small, folders):
    """The name does not tell adapters apart: another one under it finds nothing of the first."""
    prompt = tuple(range(1, 41))
    with serving(small, {}) as engine:

        def cached(adapter: str | None) -> int:
            before = engine.stats().cached_tokens
            engine.generate(asks(adapter, prompt))
            return engine.stats().cached_tokens - before

        engine.load_adapter("a", folders[NAMES[0]])
        engine.load_adapter("b", folders[NAMES[1]])
        first = [cached(name) for name in (None, "a", "b")]
        again = [cached(name) for name in (None, "a", "b")]
        engine.unload_adapter("a")
        engine.load_adapter("a", folders[NAMES[2]])
        assert (first, cached("a")) == ([0, 0, 0], 0)
        assert min(again) >= 36


def test_a_batch_without_adapters_runs_the_program_that_knows_none(small, folders):
    seen: list[tuple] = []
    runner = varied(small)
    programs = runner._compiled

    class Noting(dict):
        def __getitem__(self, name):
            seen.append(name)
            return programs[name]

    runner._compiled = Noting(programs)
    with serving(small, folders, runner=runner) as engine:
        engine.generate(asks(None))
        without, seen[:] = {name[3] for name in seen}, []
        engine.generate(asks(NAMES[0]))
    assert without == {0}
    assert {name[3] for name in seen if name[0] in ("decode", "prefill")} == {3}


def test_those_that_are_not_in_host_memory_are_read_again(small, folders):
    """An adapter has a few kilobytes; one of them is all that is held."""
    with serving(small, folders, memory=30_000) as engine:
        expected = {name: tokens(engine.generate(asks(name))) for name in NAMES}
        before = engine.stats()
        assert 0 < before.adapter_bytes <= 30_000
        outcomes = run_all(engine, [Scenario(asks(name)) for name in NAMES])
        assert [tokens(outcome.events) for outcome in outcomes] == list(expected.values())
        assert engine.stats().adapters_read > before.adapters_read >= 8


def test_who_has_begun_keeps_an_adapter_that_is_unloaded_or_exchanged(small, folders):
    with serving(small, folders, pages=SMALLEST) as engine:
        asked = asks(NAMES[0], max_tokens=90)
        expected = tokens(engine.generate(asked))

        async def run() -> list[list[int]]:
            generations = [engine.submit(asked) for _ in range(4)]  # more than there are pages for
            engine.unload_adapter(NAMES[0])
            with pytest.raises(UnknownAdapter):
                engine.submit(asked)
            engine.load_adapter(NAMES[0], folders[NAMES[1]])
            drawn = [[event async for event in generation] for generation in generations]
            return [tokens(events) for events in drawn]

        assert asyncio.run(run()) == [expected] * 4
        assert tokens(engine.generate(asked)) != expected


def test_names_are_taken_once_and_unknown_ones_refused(small, folders):
    with serving(small, {"a": folders[NAMES[0]]}) as engine:
        assert engine.adapter_names == ("a",)
        with pytest.raises(AdapterExists):
            engine.load_adapter("a", folders[NAMES[1]])
        with pytest.raises(UnknownAdapter):
            engine.unload_adapter("b")
        with pytest.raises(UnknownAdapter):
            engine.generate(asks("b"))
    with pytest.raises(UnknownAdapter):
        small.engine.generate(asks("a"))
    with pytest.raises(UnknownAdapter):
        small.engine.unload_adapter("a")


def test_a_rank_that_there_is_no_room_for_is_refused(small, tmp_path):
    folder = write_adapter(tmp_path, small.decoder, rank=9)
    with serving(small, {}) as engine, pytest.raises(CheckpointError, match="rank 9 is more than the 8"):
        engine.load_adapter("a", folder)


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_an_adapter_whose_files_change_while_it_is_out_of_memory_fails_its_requests_alone(small, tmp_path, how):
    folder = write_adapter(tmp_path / "a", small.decoder)
    with serving(small, {"a": folder}, memory=0) as engine:
        beside = tokens(engine.generate(asks(None)))
        if how == "gone":
            (folder / "adapter_model.safetensors").unlink()
        else:
            config = json.loads((folder / "adapter_config.json").read_text())
            (folder / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": 3.5}))
        with pytest.raises(RequestFailed, match="adapter cannot be read any more"):
            engine.generate(asks("a"))
        assert tokens(engine.generate(asks(None))) == beside
        settled(engine)
