"""The real model through the API: answers of a hundred JSON schemas are valid, every one."""

import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import jax
import jsonschema
import pytest

from handlers.cli.local import local_server
from handlers.settings import ModelSettings
from tests.tool_suite.schemas import object_of

ANSWERS, ROWS = 100, 8
ASKED = (
    "Tell me about a city.",
    "Plan a short trip, as JSON.",
    "Wie wird das Wetter morgen?",
    "Describe a cat named Ада with \u0001 and \t in her name.",
    "List three fruits 🍎 and their prices.",
)

pytestmark = pytest.mark.real_model


@pytest.fixture(scope="module")
def client(real_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """HTTP to a server of the file as `jaxchat serve` loads it: weights as the file has them."""
    settings = ModelSettings(
        model=str(real_model),
        max_batch_size=ROWS,
        max_context_length=2048,
        grammar_cache=tmp_path_factory.mktemp("grammars"),
        compilation_cache=Path(jax.config.jax_compilation_cache_dir or tmp_path_factory.mktemp("compiled")),
    )
    with local_server(settings) as url, httpx.Client(base_url=url, timeout=600) as client:
        yield client


def complete(client: httpx.Client, seed: int, **body: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": ASKED[seed % len(ASKED)]}]
    response = client.post("/v1/chat/completions", json={"messages": messages, "seed": seed, "max_tokens": 700} | body)
    assert response.status_code == 200, response.text
    choice: dict[str, Any] = response.json()["choices"][0]
    return choice


def test_every_answer_of_a_schema_is_valid(client: httpx.Client) -> None:
    """Finished ones by the schema; one that is cut off says so, and few are."""
    draws = random.Random(7)
    schemas = [object_of(draws, 2) | {"additionalProperties": False} for _ in range(ANSWERS)]

    def answer(seed: int) -> tuple[str, str]:
        format = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schemas[seed]}}
        choice = complete(client, seed, response_format=format)
        return choice["finish_reason"], choice["message"]["content"]

    with ThreadPoolExecutor(ROWS) as threads:
        answers = list(threads.map(answer, range(ANSWERS)))
    assert [reason for reason, _ in answers].count("stop") == ANSWERS
    for schema, (_, content) in zip(schemas, answers, strict=True):
        jsonschema.Draft202012Validator(schema).validate(json.loads(content))


def test_it_answers_a_question_as_an_assistant_does(client: httpx.Client) -> None:
    body = {
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "temperature": 0,
        "max_tokens": 40,
    }
    answer = client.post("/v1/chat/completions", json=body).json()
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["model"] == "SmolLM2-135M-Instruct.Q4_1"
