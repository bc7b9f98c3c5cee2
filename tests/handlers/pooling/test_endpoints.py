"""Embeddings and classes over a fake engine: what it is asked for, in what order, and what is left when it fails."""

import asyncio
import base64
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import EngineFailed, PoolingConfig, QueueFull, UnknownAdapter
from handlers.loaded import PoolingModel
from handlers.pooling.inputs import MOST_INPUTS

SIZE = 4
EMBED = PoolingConfig(
    "mean", SIZE, normalize=True, prompts=(("query", "q: "), ("document", "")), default_prompt="default: "
)
CLASSIFY = PoolingConfig("lasttoken", SIZE, labels=("no", "yes", "maybe"), scores="softmax")
EMBEDDINGS, CLASSES = "/v1/embeddings", "/classify"


def vector_of(tokens, size):
    return np.array([sum(tokens), len(tokens), tokens[0], tokens[-1]][:size], np.float32)


@pytest.fixture(scope="module")
def pooling(fakes):
    """`pooling(config)`: an application over a fake engine that pools. places: of inputs, with which it is full."""

    class Generation(fakes.Generation):
        pooled = None

        async def _draw(self):
            await asyncio.sleep(self.engine.delay)
            if self.engine.fail_after is not None and len(self.engine.generations) > self.engine.fail_after:
                raise self.engine.fail_with
            self.admission = self.engine.admission
            self.pooled = vector_of(self.request.prompt.tokens, self.engine.size)
            return
            yield

    class Engine(fakes.Engine):
        generation, places, most_open = Generation, 1000, 0

        def __init__(self, size, **options):
            super().__init__(**options)
            self.size = size

        def submit(self, request):
            waiting = sum(not (each.closed or each.pooled is not None) for each in self.generations)
            if waiting >= self.places:
                raise QueueFull(7)
            generation = super().submit(request)
            self.most_open = max(self.most_open, waiting + 1)
            return generation

    @contextmanager
    def ready(config, places=1000, adapters=(), **options):
        engine = Engine(len(config.labels) or SIZE, **options)
        engine.places, engine.adapters = places, dict.fromkeys(adapters, None)
        with fakes.connected(engine, load=lambda: PoolingModel(engine, fakes.Tokenizer(), config)) as app:
            fakes.wait_until(lambda: app.service.status == "ready")
            yield app

    return ready


@pytest.fixture(scope="module")
def embedder(pooling):
    with pooling(EMBED) as app:
        yield app


@pytest.fixture(scope="module")
def classifier(pooling):
    with pooling(CLASSIFY) as app:
        yield app


def ask(app, path, **body):
    response = app.client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def refused(app, path, **body):
    response = app.client.post(path, json=body)
    assert response.status_code == 422, response.text
    return response.json()["error"]["param"]


texts = st.lists(st.text(min_size=1, max_size=10), min_size=1, max_size=6)


@given(given=texts, base64_wanted=st.booleans(), dimensions=st.none() | st.integers(1, SIZE))
def test_each_input_has_its_own_vector_in_order(embedder, given, base64_wanted, dimensions):
    encoding = "base64" if base64_wanted else "float"
    answer = ask(embedder, EMBEDDINGS, input=given, encoding_format=encoding, dimensions=dimensions)
    prompts = [f"default: {text}".encode() for text in given]
    for each, tokens in zip(answer["data"], prompts, strict=True):
        part = vector_of(tokens, SIZE)[:dimensions]
        found = each["embedding"]
        found = np.frombuffer(base64.b64decode(found), "<f4") if base64_wanted else np.array(found)
        np.testing.assert_allclose(found, part / np.linalg.norm(part), rtol=1e-6)
    assert [each["index"] for each in answer["data"]] == list(range(len(given)))
    assert answer["usage"] == {"prompt_tokens": sum(map(len, prompts)), "total_tokens": sum(map(len, prompts))}


def test_token_ids_are_taken_as_they_are_and_texts_with_the_prompt_that_is_named(embedder):
    ids = ask(embedder, EMBEDDINGS, input=[[1, 2], [3]])
    assert ids["usage"]["prompt_tokens"] == 3 and len(ids["data"]) == 2
    assert ask(embedder, EMBEDDINGS, input=[1, 2.0])["data"] == ids["data"][:1]
    named = ask(embedder, EMBEDDINGS, input="a", prompt_name="query")
    assert named["usage"]["prompt_tokens"] == len("q: a")
    assert ask(embedder, EMBEDDINGS, input="a", prompt_name="document")["usage"]["prompt_tokens"] == 1


def test_a_class_is_named_with_the_scores_of_all(classifier):
    answer = ask(classifier, CLASSES, input=["ab", "c"])
    for each, text in zip(answer["data"], (b"ab", b"c"), strict=True):
        logits = vector_of(text, 3).astype(np.float64)
        expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        np.testing.assert_allclose(each["probs"], expected, rtol=1e-5, atol=1e-9)
        assert each["label"] == CLASSIFY.labels[expected.argmax()] and each["num_classes"] == 3
    assert ask(classifier, CLASSES, tokens=[97, 98])["data"] == ask(classifier, CLASSES, input="ab")["data"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a"] * (MOST_INPUTS + 1)}, "input"),
        ({"input": ["a", ["b"]]}, "input.1"),
        ({"input": [["b"]]}, "input.0"),
        ({"input": [[1], "b"]}, "input.1"),
        ({"input": [1, "b"]}, "input.1"),
        ({"input": [1, [2]]}, "input.1"),
        ({"input": [[1], []]}, "input.1"),
        ({"input": [1, 260]}, "input.1"),
        ({"input": [[1], [1, 260]]}, "input.1.1"),
        ({"input": [[1], [1] * 401]}, "input.1"),
        ({"input": ["a", "b" * 401]}, "input.1"),
        ({"input": ["a", "b" * 4001]}, "input.1"),
        ({"input": "b" * 401}, "input"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": SIZE + 1}, "dimensions"),
        ({"input": "a", "prompt_name": "passage"}, "prompt_name"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_what_cannot_be_embedded_is_named_and_nothing_is(embedder, body, param):
    before = len(embedder.engine.generations)
    found = refused(embedder, EMBEDDINGS, **body)
    assert found is not None and (found == param or found.startswith(f"{param}.")), found
    assert len(embedder.engine.generations) == before


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": None, "tokens": None}, "input"),
        ({"input": "a", "tokens": [1]}, "tokens"),
        ({"input": ["a", ""]}, "input.1"),
        ({"tokens": []}, "tokens"),
        ({"tokens": [260]}, "tokens.0"),
        ({"tokens": [1] * 401}, "tokens"),
    ],
)
def test_what_cannot_be_classified_is_named(classifier, body, param):
    assert refused(classifier, CLASSES, **body) == param


@pytest.mark.parametrize("path", [EMBEDDINGS, CLASSES])
def test_it_is_asked_as_the_other_endpoints_are(embedder, classifier, path):
    app = embedder if path == EMBEDDINGS else classifier
    response = app.client.post(path, json={"input": "a", "user": "b", "truncate": 3}, headers={"x-request-id": "mine"})
    assert response.headers["x-ignored-parameters"] == "user,truncate" and response.headers["x-request-id"] == "mine"
    response = app.client.post(path, json={"input": "a", "model": "another"})
    assert response.status_code == 404 and response.json()["error"]["param"] == "model"
    assert app.client.get(path).status_code == 405
    assert app.client.post(path, content=b"a", headers={"content-type": "text/plain"}).status_code == 415


def test_a_request_counts_as_one_with_its_inputs(pooling):
    with pooling(EMBED) as app:
        ask(app, EMBEDDINGS, input=["a", "b", "c"])
        counted = app.service.metrics
        names = {sample.name: sample.value for metric in counted.registry.collect() for sample in metric.samples}
    assert names["friendli_requests_total"] == names["friendli_responses_total"] == 1
    assert names["friendli_items_total"] == names["friendli_input_lengths_count"] == 3


def test_many_inputs_leave_places_to_others(pooling):
    with pooling(EMBED) as app:
        answer = ask(app, EMBEDDINGS, input=[str(i) for i in range(200)])
        assert len(answer["data"]) == 200 and app.engine.most_open <= app.engine.max_choices_together // 4
        assert all(generation.closed or generation.pooled is not None for generation in app.engine.generations)


def test_who_has_a_place_waits_for_more_and_who_has_none_is_told_to_come_again(pooling):
    with pooling(EMBED, places=2) as app:
        assert len(ask(app, EMBEDDINGS, input=["a", "b", "c", "d", "e"])["data"]) == 5 and app.engine.most_open == 2
    with pooling(EMBED, places=0) as app:
        response = app.client.post(EMBEDDINGS, json={"input": ["a", "b"]})
        assert response.status_code == 429 and response.headers["retry-after"] == "7"


def test_a_failure_ends_all_inputs_and_is_told(pooling):
    with pooling(EMBED, fail_after=2) as app:
        app.engine.fail_with = EngineFailed("a secret")
        response = app.client.post(EMBEDDINGS, json={"input": ["a", "b", "c", "d"]})
        assert response.status_code == 503 and "secret" not in response.text
        assert app.engine.generations and all(each.closed or each.pooled is not None for each in app.engine.generations)


def test_who_waits_too_long_is_told_and_frees_what_it_holds(pooling):
    with pooling(EMBED, delay=30) as app:
        app.service.request_timeout = 0.05
        response = app.client.post(EMBEDDINGS, json={"input": ["a", "b"]})
        assert response.status_code == 504 and all(each.closed for each in app.engine.generations)


def test_an_adapter_that_has_gone_is_told(pooling):
    with pooling(EMBED, adapters=("mine",)) as app:
        assert ask(app, EMBEDDINGS, input="a", model="mine")["model"] == "mine"
        assert app.engine.generations[-1].request.adapter == "mine"

        def gone(request):
            raise UnknownAdapter("mine")

        app.engine.submit = gone
        response = app.client.post(EMBEDDINGS, json={"input": "a", "model": "mine"})
        assert response.status_code == 404 and response.json()["error"]["code"] == "model_not_found"


def test_while_it_loads_it_is_of_no_kind(fakes):
    go = threading.Event()

    def load():
        assert go.wait(5)
        return PoolingModel(fakes.Engine(), fakes.Tokenizer(), EMBED)

    with fakes.connected(load=load) as app:
        assert "task" not in app.client.get("/v1/models").json()["data"][0]
        assert app.client.post(EMBEDDINGS, json={"input": "a"}).status_code == 503
        go.set()
        fakes.wait_until(lambda: app.service.status == "ready")
        assert app.client.get("/v1/models").json()["data"][0]["task"] == "embed"
