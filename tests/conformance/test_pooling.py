"""Embeddings and classes of real servers, as the clients of OpenAI and Friendli read them, against transformers."""

import asyncio
import base64
import shutil
from pathlib import Path
from types import SimpleNamespace

import httpx
import jax
import numpy as np
import openai
import pytest
import schemathesis
import torch
from friendli import SyncFriendli
from hypothesis import HealthCheck, given, settings
from transformers import AutoModel, AutoModelForSequenceClassification

from handlers.cli.loading import load
from handlers.service import Service
from handlers.settings import ServeSettings
from tests.conformance.chat import DOCUMENT, TIMEOUT, read_error, strict, validator
from tests.conformance.conftest import CHECKPOINT, served
from tests.conformance.test_schemathesis import CHECKS
from tests.parity.heads import class_logits, hidden_states, save, write_modules

VOCAB, LABELS = 1536, ("bad", "so so", "good")
TEXTS = ["I love it.", "It never worked, not once!", "東京は大きい", "a " * 60, "ok"]
EMBEDDINGS, CLASSES = validator("EmbeddingsSuccess"), validator("ContainerTextClassificationSuccess")
CLOSE = {"rtol": 0, "atol": 2e-5}
PATHS = {"embed": "/v1/embeddings", "classify": "/classify"}
schema = schemathesis.openapi.from_dict(DOCUMENT)


def started(folder: Path, **options):
    """A server of the checkpoint in a folder, which gets the bundled model's tokenizer."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(CHECKPOINT / name, folder)
    settings = ServeSettings(
        model=str(folder),
        max_batch_size=4,
        max_queue=64,
        compilation_cache=Path(jax.config.jax_compilation_cache_dir),
        **options,
    )
    return served(Service(lambda: load(settings), ["small"]))


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    """A server that embeds, exactly the same whatever is beside it; `.folder` has its checkpoint."""
    folder = tmp_path_factory.mktemp("embedder")
    save(folder, "qwen3", AutoModel, vocab_size=VOCAB)
    write_modules(folder, "mean_tokens")
    prompts = '{"prompts": {"query": "query: ", "document": ""}, "default_prompt_name": null}'
    (folder / "config_sentence_transformers.json").write_text(prompts)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 100}')
    with started(folder, deterministic=True) as server:
        yield SimpleNamespace(url=server.url, service=server.service, folder=folder)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A server that classifies; `.folder` has its checkpoint."""
    folder = tmp_path_factory.mktemp("classifier")
    names = dict(enumerate(LABELS))
    save(folder, "llama", AutoModelForSequenceClassification, vocab_size=VOCAB, id2label=names)
    with started(folder) as server:
        yield SimpleNamespace(url=server.url, service=server.service, folder=folder)


@pytest.fixture(scope="module")
def client(embedder):
    with openai.OpenAI(base_url=embedder.url + "/v1", api_key="unused", max_retries=0, timeout=TIMEOUT) as client:
        yield client


def post(server, path, **body):
    response = httpx.post(server.url + path, json=body, timeout=TIMEOUT)
    assert response.status_code == 200, response.text
    return strict(response.text)


def unit(vector):
    return vector / np.linalg.norm(vector)


def test_openais_client_gets_what_sentence_transformers_gives(client, embedder, tokenizer):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    expected = [unit(hidden_states(embedder.folder, tokens).mean(0)) for tokens in ids]
    for inputs in (TEXTS, ids):
        for options in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
            answer = client.embeddings.create(model="small", input=inputs, **options)
            found = [each.embedding for each in answer.data]
            if options.get("encoding_format") == "base64":
                found = [np.frombuffer(base64.b64decode(each), "<f4") for each in found]
            np.testing.assert_allclose(found, expected, **CLOSE)
            assert [each.index for each in answer.data] == list(range(len(TEXTS)))
            assert answer.usage.prompt_tokens == answer.usage.total_tokens == sum(map(len, ids))
    short = client.embeddings.create(model="small", input=TEXTS[0], dimensions=8).data[0].embedding
    np.testing.assert_allclose(short, unit(expected[0][:8]), **CLOSE)


def test_one_input_is_a_text_or_its_tokens(embedder):
    (text,) = post(embedder, "/v1/embeddings", input="ok")["data"]
    tokens = post(embedder, "/v1/tokenize", prompt="ok")["tokens"]
    answer = post(embedder, "/v1/embeddings", input=tokens)
    EMBEDDINGS.validate(answer)
    assert answer["data"] == [text] and answer["model"] == "small" and answer["usage"]["prompt_tokens"] == len(tokens)


def test_what_is_in_the_batch_changes_no_bit(embedder):
    alone = [post(embedder, "/v1/embeddings", input=text)["data"][0]["embedding"] for text in TEXTS]
    many = post(embedder, "/v1/embeddings", input=TEXTS * 20)["data"]
    assert [each["embedding"] for each in many] == alone * 20

    async def crowd():
        async with httpx.AsyncClient(base_url=embedder.url, timeout=TIMEOUT) as client:
            asked = [client.post("/v1/embeddings", json={"input": [text, "x"]}) for text in TEXTS * 3]
            return [response.json()["data"][0]["embedding"] for response in await asyncio.gather(*asked)]

    assert asyncio.run(crowd()) == alone * 3


def test_a_prompt_of_the_checkpoint_goes_before_the_text(embedder):
    named = post(embedder, "/v1/embeddings", input=TEXTS[0], prompt_name="query")
    written = post(embedder, "/v1/embeddings", input="query: " + TEXTS[0], prompt_name="document")
    assert named == written != post(embedder, "/v1/embeddings", input=TEXTS[0])


def test_friendlis_client_gets_the_classes_that_transformers_gives(classifier, tokenizer):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    _, logits = class_logits(classifier.folder, ids)
    expected = torch.softmax(torch.tensor(logits), -1).numpy()
    options = {"server_url": classifier.url, "retries": None, "timeout_ms": TIMEOUT * 1000}
    with SyncFriendli(token="unused", x_friendli_team=None) as client:
        ask = client.container.text_classification.classify
        result = ask(input_=TEXTS, **options)
        (one,) = ask(tokens=ids[1], **options).data
    np.testing.assert_allclose([each.probs for each in result.data], expected, atol=1e-4)
    assert [each.label for each in result.data] == [LABELS[i] for i in expected.argmax(-1)]
    assert [each.index for each in result.data] == list(range(len(TEXTS))) and result.data[0].num_classes == 3
    assert result.usage.prompt_tokens == sum(map(len, ids))
    np.testing.assert_allclose(one.probs, expected[1], atol=1e-4)
    CLASSES.validate(post(classifier, "/classify", input=TEXTS[0]))


def test_a_server_says_what_its_model_is_for(embedder, classifier, server):
    bodies = {
        "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hi"}]},
        "/v1/completions": {"prompt": "Hi"},
        "/v1/messages": {"model": "small", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]},
        "/v1/responses": {"input": "Hi"},
        "/v1/chat/render": {"messages": [{"role": "user", "content": "Hi"}]},
        "/v1/embeddings": {"input": "Hi"},
        "/classify": {"input": "Hi"},
    }
    tasks = {"embed": embedder, "classify": classifier, "generate": server}
    words = {"/v1/embeddings": "an embedding model", "/classify": "a classification head"}
    for task, each in tasks.items():
        (model,) = httpx.get(each.url + "/v1/models").json()["data"]
        assert model["task"] == task
        assert httpx.get(f"{each.url}/v1/models/{model['id']}").json()["task"] == task
        for path, body in bodies.items():
            if path == PATHS.get(task) or (task == "generate" and path not in words):
                continue
            response = httpx.post(each.url + path, json=body, timeout=TIMEOUT)
            assert response.status_code == 422, response.text
            told = response.json()["error"]
            assert told["code"] == "unsupported_by_model" and words.get(path, "generates text") in told["message"]
            assert PATHS.get(task, "/v1/chat/completions") in told["message"]


def test_a_wrong_input_is_named_before_any_is_embedded(embedder):
    before = embedder.service.engine_stats().prompt_tokens
    for body, param in [
        ({"input": ["a", "b", "c " * 150]}, "input.2"),
        ({"input": ["a", ""]}, "input.1"),
        ({"input": [[1], [2, VOCAB]]}, "input.1.1"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "dimensions": 33}, "dimensions"),
        ({"input": "a", "prompt_name": "passage"}, "prompt_name"),
    ]:
        response = httpx.post(embedder.url + "/v1/embeddings", json=body, timeout=TIMEOUT)
        assert response.status_code == 422 and read_error(response)["param"] == param, response.text
    assert embedder.service.engine_stats().prompt_tokens == before


@pytest.mark.parametrize("task", PATHS)
def test_what_is_made_up_from_the_document_is_answered_as_documented(task, embedder, classifier):
    server = embedder if task == "embed" else classifier

    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(case=schema[PATHS[task]]["POST"].as_strategy())
    def answered(case):
        case.call_and_validate(base_url=server.url, checks=CHECKS)

    answered()
