"""The engine's joints, each through something that is not the engine's own: another back end, several tokens a step,
embeddings in place of ids, hidden states of a prefill."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from backend.attention import AttentionSpec, KVSpec
from backend.attention.masks import group_queries, scores, ungroup_queries, visible
from backend.engine import steps
from backend.engine.chunks import PrefillChunk
from backend.engine.model_runner import ModelRunner
from backend.engine.state import empty_block
from backend.models.decoder import kv_specs
from backend.request import Prompt, Span
from tests.backend.engine.conftest import TOKENS, VOCAB, Small, paged, request, tokens
from tests.backend.engine.scenarios import FEW, Scenario, run_all, running, settled, varied


class Slots(NamedTuple):
    """One layer's keys and values, a slot per position of the whole cache: k and v [K, H, P * L]."""

    k: jax.Array
    v: jax.Array


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class SlotAttend:
    """Plain softmax over every position of a row's page table at once."""

    slots: jax.Array
    together: jax.Array | None = None

    def __call__(self, cache, q, k, v, positions, spec: AttentionSpec):
        at = jnp.take_along_axis(self.slots, jnp.maximum(positions, 0), axis=1)
        at = jnp.where(positions < 0, cache.k.shape[2], at)
        cache = Slots(*(_put(old, new, at) for old, new in zip(cache, (k, v), strict=True)))
        keys, values = (array[:, :, self.slots].transpose(2, 0, 3, 1) for array in cache)
        seen = visible(positions, jnp.arange(self.slots.shape[1])[None], spec.window, self.together)
        weights = jax.nn.softmax(scores(group_queries(q, k.shape[2]), keys, seen, spec), axis=-1)
        weights = jnp.where(seen[:, None, None], weights, 0)
        return ungroup_queries(jnp.einsum("bkgts,bksh->bkgth", weights, values).astype(q.dtype)), cache


def _put(array: jax.Array, new: jax.Array, at: jax.Array) -> jax.Array:
    return array.at[:, :, at].set(new.transpose(2, 3, 0, 1), mode="drop")


@dataclass(frozen=True)
class SlotAttention:
    """A back end whose pages are neither an axis nor the first: slots of whole layers, contiguous, heads outermost."""

    layers: tuple[KVSpec, ...]
    page_tokens: int

    @property
    def page_bytes(self) -> int:
        return sum(2 * layer.kv_heads * layer.head_dim * self.page_tokens * 4 for layer in self.layers)

    def init_cache(self, pages: int) -> tuple[Slots, ...]:
        slots = pages * self.page_tokens
        return tuple(Slots(*jnp.zeros((2, layer.kv_heads, layer.head_dim, slots))) for layer in self.layers)

    def cache_axes(self) -> tuple[Slots, ...]:
        return tuple(Slots("KHS", "KHS") for _ in self.layers)

    def attend(self, page_table: jax.Array, together: jax.Array | None = None) -> SlotAttend:
        slots = page_table[:, :, None] * self.page_tokens + jnp.arange(self.page_tokens)
        return SlotAttend(slots.reshape(len(page_table), -1), together)

    def copy_page(self, cache, source: jax.Array, target: jax.Array):
        size = self.page_tokens

        def copied(array: jax.Array) -> jax.Array:
            page = jax.lax.dynamic_slice_in_dim(array, source * size, size, axis=2)
            return jax.lax.dynamic_update_slice_in_dim(array, page, target * size, axis=2)

        return jax.tree.map(copied, cache)


@pytest.fixture(scope="module")
def other(small: Small) -> ModelRunner:
    """The same decoder over the other back end."""
    return ModelRunner(small.decoder, FEW, SlotAttention(kv_specs(small.decoder.config), FEW.page_tokens), TOKENS)


@settings(max_examples=10)
@given(
    prompts=st.lists(st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=60), min_size=1, max_size=5),
    choices=st.integers(1, 3),
)
def test_another_layout_of_keys_and_values_gives_the_same_tokens(small, other, prompts, choices):
    """Prefixes shared, prompts copied to siblings, pages taken back: the engine does not know what a page is."""
    asked = [request(prompt, tuple(range(choices)), max_tokens=20, temperature=0.7) for prompt in prompts]
    other.config = replace(FEW, pages=30)
    results = []
    for runner in (other, varied(small, pages=30)):
        with running(runner) as engine:
            seen = run_all(engine, [Scenario(one) for one in asked])
            settled(engine)
            results.append([tokens(one.events, choice) for one in seen for choice in range(choices)])
    assert results[0] == results[1]


@pytest.fixture(scope="module")
def wide(small: Small) -> ModelRunner:
    """Programs that take embeddings and give hidden states back."""
    config = replace(FEW, prompt_embeddings=True, hidden_positions=3)
    return ModelRunner(small.decoder, config, paged(small.decoder), TOKENS)


@settings(max_examples=15)
@given(data=st.data(), size=st.integers(3, 70), seed=st.integers(0, 2**32 - 1))
def test_a_span_of_embeddings_is_what_the_model_sees_in_place_of_its_placeholders(small, wide, data, size, seed):
    """The embeddings of other ids behind placeholders are those ids, wherever chunks cut the prompt."""
    real = np.random.default_rng(seed).integers(0, VOCAB, size).tolist()
    cuts = sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=2, max_size=4)))
    spans, written = [], list(real)
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        embeddings = np.asarray(small.decoder.embed(jnp.array([real[start:end]])))[0]
        spans.append(Span(start, end - start, tuple(real[start:end]), embeddings))
        written[start:end] = [0] * (end - start)
    expected = request(real, max_tokens=8)
    with running(wide) as engine:
        given_ids = tokens(engine.generate(expected))
        given_spans = tokens(engine.generate(replace(expected, prompt=Prompt(tuple(written), tuple(spans)))))
    assert given_ids == given_spans


def test_an_engine_without_embeddings_refuses_a_prompt_with_spans(small) -> None:
    spans = (Span(0, 1, "a", np.zeros((1, 32), np.float32)),)
    with pytest.raises(AssertionError, match="token ids alone"):
        small.engine.generate(replace(request([1, 2]), prompt=Prompt((1, 2), spans)))


@settings(max_examples=10)
@given(sizes=st.lists(st.integers(1, 8), min_size=1, max_size=3), seed=st.integers(0, 2**32 - 1), data=st.data())
def test_a_prefill_gives_the_hidden_states_of_chosen_positions(small, wide, whole_logits, sizes, seed, data):
    """Through the head they are the logits of the whole sequence at those positions, the last by default."""
    rng, state = np.random.default_rng(seed), wide.init_state()
    rows = [rng.integers(0, VOCAB, size).tolist() for size in sizes]
    chosen = [data.draw(st.just((-1,)) | st.lists(st.integers(0, size - 1), min_size=1, max_size=3)) for size in sizes]
    pages = [[3 * row, 3 * row + 1] for row in range(len(rows))]
    chunks = [PrefillChunk(row, 0, own, chosen=places) for row, own, places in zip(rows, pages, chosen, strict=True)]
    _, hidden = wide.prefill(state, (3, 8), chunks)
    for row, places, got in zip(rows, chosen, hidden[: len(rows)], strict=True):
        expected = whole_logits(row)[list(places)]
        np.testing.assert_allclose(small.decoder.logits(got)[: len(places)], expected, atol=1e-3)


ROWS, MOST, ROUNDS = 4, 3, 4  # tokens that a step gives at most, and how many steps


@settings(max_examples=30)
@given(
    limits=st.lists(st.integers(1, 9), min_size=ROWS, max_size=ROWS),
    counts=st.lists(st.lists(st.integers(0, MOST), min_size=ROWS, max_size=ROWS), min_size=ROUNDS, max_size=ROUNDS),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_step_may_give_a_row_none_one_or_several_tokens(small, limits, counts, seed):
    """Every row has its own place to write at: against lists, with rows that end in the middle of a step."""
    rng, runner = np.random.default_rng(seed), small.runner
    asked = [request([1], max_tokens=limit, end_tokens=(0,), top_logprobs=2) for limit in limits]
    state = jax.tree.map(lambda *leaves: np.stack(leaves), *(runner.row_state(one, 0) for one in asked))
    block = empty_block(ROWS, MOST * ROUNDS, VOCAB)
    expected: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(ROWS)]
    for of_step in counts:
        output = rng.integers(0, VOCAB, (ROWS, MOST)).astype(np.int32)
        logits = rng.normal(size=(ROWS, MOST, VOCAB)).astype(np.float32)
        state, block = ACCEPT(
            runner.arena.cells, runner._vocabulary, state, block, output, np.array(of_step, np.int32), logits
        )
        for row, count in enumerate(of_step):
            for token, scores_ in zip(output[row, :count].tolist(), logits[row], strict=False):
                if len(expected[row]) < limits[row] and 0 not in [before for before, _ in expected[row]]:
                    expected[row].append((token, scores_))
    for row, given_ in enumerate(expected):
        whole, count = [token for token, _ in given_], int(block.count[row])
        assert block.tokens[row, :count].tolist() == whole
        assert not block.tokens[row, count:].any()
        assert int(state.num_output_tokens[row]) == count == int(state.position[row])
        assert bool(state.done[row]) == (count == limits[row] or 0 in whole)
        np.testing.assert_array_equal(state.output_counts[row], np.bincount(whole, minlength=VOCAB))
        for i, (token, scores_) in enumerate(given_):
            expected_logprobs = log_softmax(scores_.astype(np.float64))
            assert float(block.logprobs[row, i]) == pytest.approx(expected_logprobs[token], abs=1e-5)
            np.testing.assert_array_equal(block.top_ids[row, i], np.argsort(-scores_)[:20])


ACCEPT = jax.jit(steps.accept)
