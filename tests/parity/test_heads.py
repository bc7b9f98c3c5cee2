"""Checkpoints that classify or embed, through our own loader and engine, against transformers and, of what hidden
states are pooled to, the definitions of sentence-transformers."""

import asyncio
from contextlib import contextmanager
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from backend.attention.reference import PagedAttention
from backend.engine.config import EngineConfig
from backend.engine.engine import Engine
from backend.engine.model_runner import ModelRunner
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import kv_specs
from backend.models.weights import load
from backend.pooling import class_scores, embedding
from backend.request import Prompt, Request, SamplingParams
from tests.parity.heads import CONTEXT, EMBED, VOCAB, class_logits, hidden_states, save, write_modules
from tests.parity.programs import compile_quickly

CONFIG = EngineConfig(
    CONTEXT,
    pages=64,
    page_tokens=4,
    row_buckets=(1, 2, 8),
    prefill_shapes=((1, 8), (3, 8), (1, 16)),
    grammar_cells=1 << 15,
)
LENGTHS = (1, 7, 8, 9, 33, 70, 5, 5)
"""Of texts: less than a chunk, one, several."""
TEXTS = [[(7 * i + j * j + 1) % VOCAB for j in range(size)] for i, size in enumerate(LENGTHS)]
CLOSE = {"rtol": 0, "atol": 2e-5}


@contextmanager
def serving(folder, **changes):
    """An engine of a checkpoint, in float32."""
    decoder = load(open_checkpoint(folder), jnp.float32)
    backend = PagedAttention(kv_specs(decoder.config), jnp.dtype(jnp.float32), CONFIG.page_tokens)
    config = replace(CONFIG, pooling=decoder.config.pooling, **changes)
    engine = Engine(ModelRunner(decoder, config, backend, compiler=compile_quickly))
    try:
        yield engine
        assert engine.stats().compilations == 0 and engine.stats().pages_used == 0
    finally:
        engine.close()


def pooled(engine, *texts):
    """What texts that come together are pooled to, and how many tokens of each were cached."""

    async def one(tokens):
        request = Request(Prompt(tuple(tokens)), SamplingParams(max_tokens=0, end_tokens=()), (0,), pooled=True)
        generation = engine.submit(request)
        assert [event async for event in generation] == []
        return generation.pooled, generation.admission.cached_tokens

    async def everybody():
        return await asyncio.wait_for(asyncio.gather(*map(one, texts)), 60)

    found = asyncio.run(everybody())
    return [vector for vector, _ in found], [cached for _, cached in found]


def by_definition(mode: str, hidden: np.ndarray) -> np.ndarray:
    """The formulas of sentence-transformers; `backend/models/test_pooling.py` has those of all of its ways to pool."""
    return {"cls_token": lambda: hidden[0], "lasttoken": lambda: hidden[-1], "mean_tokens": lambda: hidden.mean(0)}[
        mode
    ]()


@pytest.mark.parametrize("mode", ["cls_token", "lasttoken", "mean_tokens"])
def test_texts_are_pooled_as_sentence_transformers_does(tmp_path, mode):
    save(tmp_path, "qwen3", AutoModel, num_hidden_layers=1)
    write_modules(tmp_path, mode)
    expected = [by_definition(mode, hidden_states(tmp_path, text)) for text in TEXTS]
    with serving(tmp_path) as engine:
        assert engine.pooling.task == "embed" and engine.pooling.normalize
        found, cached = pooled(engine, *TEXTS)
        again, _ = pooled(engine, *TEXTS)
    assert not any(cached)
    for text, once_more, wanted in zip(found, again, expected, strict=True):
        np.testing.assert_allclose(text, wanted, **CLOSE)
        np.testing.assert_allclose(once_more, wanted, **CLOSE)
        for dimensions in (None, 1, EMBED // 2):
            part = wanted[:dimensions].astype(np.float64)
            made = embedding(engine.pooling, text, dimensions)
            np.testing.assert_allclose(made, part / np.linalg.norm(part), **CLOSE)


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text"])
def test_classes_have_the_scores_that_transformers_gives(tmp_path, family):
    save(tmp_path, family, AutoModelForSequenceClassification, num_labels=3)
    _, expected = class_logits(tmp_path, TEXTS[:6])
    with serving(tmp_path, prefill_shapes=((1, 16),)) as engine:
        assert engine.pooling.labels == ("LABEL_0", "LABEL_1", "LABEL_2") and engine.pooling.task == "classify"
        found, _ = pooled(engine, *TEXTS[:6])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    probabilities = torch.softmax(torch.tensor(expected), -1).numpy()
    np.testing.assert_allclose([class_scores(engine.pooling, one) for one in found], probabilities, atol=1e-4)


@pytest.mark.parametrize(
    ("fields", "function"),
    [
        ({"num_labels": 2, "problem_type": "single_label_classification"}, "softmax"),
        ({"num_labels": 3, "problem_type": "multi_label_classification"}, "sigmoid"),
        ({"num_labels": 1}, "sigmoid"),
        ({"num_labels": 1, "problem_type": "regression"}, "none"),
        ({"num_labels": 2, "problem_type": "regression"}, "none"),
        ({"id2label": {0: "bad", 1: "good"}, "label2id": {"bad": 0, "good": 1}}, "softmax"),
    ],
)
def test_scores_and_labels_are_those_of_transformers_pipeline(tmp_path, fields, function):
    from transformers import TextClassificationPipeline

    save(tmp_path, "qwen3", AutoModelForSequenceClassification, **fields)
    model, logits = class_logits(tmp_path, TEXTS[:2])
    pipeline = TextClassificationPipeline.__new__(TextClassificationPipeline)
    pipeline.model = model
    config = open_checkpoint(tmp_path).config.pooling
    assert config.scores == function
    for one in logits:
        expected = pipeline.postprocess({"logits": torch.tensor(one)[None]}, top_k=None, _legacy=False)
        scores = class_scores(config, one)
        ours = sorted(zip(config.labels, scores.tolist(), strict=True), key=lambda pair: -pair[1])
        assert [label for label, _ in ours] == [given["label"] for given in expected]
        np.testing.assert_allclose([score for _, score in ours], [given["score"] for given in expected], rtol=1e-5)


def test_a_model_that_was_saved_with_its_head_embeds_the_same(tmp_path):
    save(tmp_path, "llama", AutoModelForCausalLM, tie_word_embeddings=False)
    write_modules(tmp_path, "mean_tokens", normalize=False)
    with serving(tmp_path, prefill_shapes=((1, 16),)) as engine:
        found, _ = pooled(engine, TEXTS[4])
    np.testing.assert_allclose(found[0], hidden_states(tmp_path, TEXTS[4]).mean(0), **CLOSE)
    np.testing.assert_array_equal(embedding(engine.pooling, found[0]), found[0])


def test_a_beginning_that_was_seen_is_not_computed_again_where_the_last_token_is_all_that_counts(tmp_path):
    save(tmp_path, "qwen3", AutoModel)
    write_modules(tmp_path)
    instruct, others = TEXTS[5][:40], [[1, 2, 3], [4, 5]]
    with serving(tmp_path, prefill_shapes=((1, 16),)) as engine:
        pooled(engine, instruct + others[0])
        found, cached = pooled(engine, instruct + others[1], instruct[:1])
    assert cached == [40, 0]
    np.testing.assert_allclose(found[0], hidden_states(tmp_path, instruct + others[1])[-1], **CLOSE)


def test_neighbours_and_too_few_pages_change_no_bit_of_a_deterministic_engine(tmp_path):
    save(tmp_path, "qwen3", AutoModel)
    write_modules(tmp_path, "mean_tokens")
    with serving(tmp_path, deterministic=True, prefill_shapes=((1, 8),), pages=32) as engine:
        together, _ = pooled(engine, *TEXTS, *TEXTS[::-1])
        alone = [pooled(engine, text)[0][0] for text in TEXTS]
    for one, other, expected in zip(together, together[: len(TEXTS) - 1 : -1], alone, strict=False):
        np.testing.assert_array_equal(one, expected)
        np.testing.assert_array_equal(other, expected)


def test_who_gives_way_for_want_of_pages_is_pooled_all_the_same(tmp_path):
    save(tmp_path, "qwen3", AutoModel, num_hidden_layers=1)
    write_modules(tmp_path, "mean_tokens")
    expected = [by_definition("mean_tokens", hidden_states(tmp_path, text)) for text in TEXTS]
    with serving(tmp_path, pages=32) as engine:
        found, _ = pooled(engine, *TEXTS * 3)
    for text, wanted in zip(found, expected * 3, strict=True):
        np.testing.assert_allclose(text, wanted, **CLOSE)
