"""The real model answers in the form that is asked for, though its vocabulary has no token for 21 of the bytes."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from handlers.app import create_app
from handlers.cli.loading import load
from handlers.service import Service
from handlers.settings import ServeSettings

ANSWERS = 50
ROWS = 8
PATH = "/v1/chat/completions"
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "count": {"type": "integer", "minimum": 0, "maximum": 99},
        "tags": {"type": "array", "items": {"enum": ["a", "日本", "x\x04", "\U00050000"]}, "maxItems": 3},
        "sure": {"type": "boolean"},
    },
    "required": ["city", "count", "tags", "sure"],
    "additionalProperties": False,
}
FORM = {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}}
GRAMMAR = r"""
root ::= [A-Z] [a-z]{2,15} " has " sum " people" (" \U00050000")? "."
sum ::= part ("+" part){0,2}
part ::= "(" sum ")" | [0-9]{1,9}
"""
CALL = {
    "tools": [{"type": "function", "function": {"name": "note_city", "parameters": SCHEMA}}],
    "tool_choice": "required",
    "parallel_tool_calls": False,
}

pytestmark = pytest.mark.real_model


@pytest.fixture(scope="module")
def client(real_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Of a server of the real model, whose own template has no tools."""
    cache = tmp_path_factory.mktemp("cache")
    settings = ServeSettings(
        model=str(real_model), tool_format="hermes", max_batch_size=ROWS, max_context_length=1024, grammar_cache=cache,
        compilation_cache=cache,
    )  # fmt: skip
    loaded = load(settings)
    service = Service(lambda: loaded, ["real"])
    with TestClient(create_app(service)) as client:
        while service.status != "ready":
            pass
        yield client


def messages(client: TestClient, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """ANSWERS of them, none cut off."""

    def ask(seed: int) -> dict[str, Any]:
        user = {"role": "user", "content": f"Tell me about a city. Number {seed}, please."}
        response = client.post(PATH, json={"messages": [user], "max_tokens": 200, "seed": seed, **asked})
        assert response.status_code == 200, response.text
        (choice,) = response.json()["choices"]
        assert choice["finish_reason"] != "length"
        return choice["message"]

    with ThreadPoolExecutor(ROWS) as threads:
        return list(threads.map(ask, range(ANSWERS)))


def test_every_answer_satisfies_its_schema(client: TestClient) -> None:
    for message in messages(client, FORM):
        jsonschema.validate(json.loads(message["content"]), SCHEMA)


def test_every_call_that_must_be_made_is_valid(client: TestClient) -> None:
    for message in messages(client, CALL):
        (call,) = message["tool_calls"]
        assert call["function"]["name"] == "note_city"
        jsonschema.validate(json.loads(call["function"]["arguments"]), SCHEMA)


def test_every_answer_is_of_the_language_of_its_grammar(client: TestClient) -> None:
    for message in messages(client, {"response_format": {"type": "grammar", "grammar": GRAMMAR}}):
        match = re.fullmatch(r"([A-Z][a-z]{2,15}) has ([(0-9)+]+) people( \U00050000)?\.", message["content"])
        assert match and eval(re.sub(r"\b0+(?=[0-9])", "", match[2])) >= 0


def test_what_it_cannot_write_at_all_is_refused_with_the_character(client: TestClient) -> None:
    asked = {"response_format": {"type": "regex", "schema": "a\x04"}}
    response = client.post(PATH, json={"messages": [{"role": "user", "content": "x"}], **asked})
    assert response.status_code == 422 and "would need U+0004" in response.json()["error"]["message"]
