"""response_format end to end: a finished answer is what was asked for, however it was asked and whoever asks beside."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Literal

import jsonschema
import openai
import pytest
from friendli import SyncFriendli
from pydantic import BaseModel, Field

from backend.grammar import ContextFree, structural_constraint
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from tests.backend.grammar.context_free.grammars import EXAMPLES
from tests.conformance.chat import CONTEXT, HELLO, TIMEOUT, assert_alike, fold, said, text

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b", None]}, "maxItems": 3},
        "height": {"type": "number", "minimum": 0.5, "exclusiveMaximum": 2.5, "multipleOf": 0.01},
    },
    "required": ["name", "age"],
}
TREE = {
    "$ref": "#/$defs/tree",
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {
                "kind": {"enum": ["leaf", "node"]},
                "sons": {"items": {"$ref": "#/$defs/tree"}, "maxItems": 1},
            },
            "required": ["kind"],
        }
    },
}
SCHEMAS = {
    "person": PERSON,
    "tree": TREE,
    "choice": {"oneOf": [{"type": "boolean"}, {"type": "integer", "minimum": 10, "maximum": 99}, {"const": "é🙂"}]},
    "date": {"type": "string", "format": "date"},
    "pattern": {
        "type": "array",
        "items": {"type": "string", "pattern": "^[A-Z]{2}-\\d{3}$"},
        "minItems": 2,
        "maxItems": 2,
    },
}
GRAMMARS = {
    "json": EXAMPLES["json"].gbnf,
    "arithmetic": EXAMPLES["arithmetic by ambiguous rules"].lark,
    "tags": EXAMPLES["tags of two kinds"].gbnf,
    "a schema in a grammar": 'start: "<a>" %json {"type": "object", "properties": {"a": {"type": "boolean"}}} "</a>"',
}
PATTERNS = ["(yes|no)", "[0-9]{3}-[0-9]{4}", "[α-ω]{1,5}", '\\{"x": \\[(1|2)\\]\\}']


def json_schema(schema, **more):
    return {"type": "json_schema", "json_schema": {"schema": schema, **more}}


def check(choice, schema):
    """A finished answer is valid; one that is not was cut."""
    content = choice["message"]["content"]
    if choice["finish_reason"] == "stop":
        exact = [json.loads(text, parse_float=Decimal) for text in (content, json.dumps(schema))]
        jsonschema.validate(*exact, jsonschema.Draft202012Validator)
    else:
        assert choice["finish_reason"] == "length"


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("temperature", [0, 1, 2])
def test_every_finished_answer_is_valid(chat, name, temperature):
    form = json_schema(SCHEMAS[name])
    answer = chat.whole(response_format=form, temperature=temperature, n=8, seed=1, max_tokens=300)
    for choice in answer["choices"]:
        check(choice, SCHEMAS[name])
    assert any(choice["finish_reason"] == "stop" for choice in answer["choices"])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_regex_is_matched_as_a_whole(chat, pattern):
    answer = chat.whole(response_format={"type": "regex", "schema": pattern}, n=8, temperature=2, max_tokens=60)
    for choice in answer["choices"]:
        assert choice["finish_reason"] == "stop" and re.fullmatch(pattern, choice["message"]["content"])


@pytest.mark.parametrize("name", GRAMMARS)
def test_an_answer_is_of_the_language_of_its_grammar_or_is_cut(chat, name):
    grammar = {"type": "grammar", "grammar": GRAMMARS[name]}
    check = Runner(compile_constraint(structural_constraint(ContextFree(GRAMMARS[name], ""))))
    answer = chat.whole(response_format=grammar, n=8, seed=1, temperature=1.5, max_tokens=150)
    for choice in answer["choices"]:
        at = check.run(choice["message"]["content"].encode())
        assert at is not None and (check.complete(at) or choice["finish_reason"] == "length")
    assert any(choice["finish_reason"] == "stop" for choice in answer["choices"])


def test_json_object_is_an_object_or_is_cut(chat):
    answer = chat.whole(response_format={"type": "json_object"}, n=8, max_tokens=200, temperature=1.5)
    for choice in answer["choices"]:
        assert choice["message"]["content"].startswith("{")
        if choice["finish_reason"] == "stop":
            assert isinstance(json.loads(choice["message"]["content"]), dict)


def test_the_stream_says_what_the_whole_answer_says(chat):
    parameters = {"response_format": json_schema(PERSON), "n": 3, "seed": 7, "logprobs": True, "max_tokens": 200}
    chunks = chat.chunks(**parameters, stream_options={"include_usage": True})
    assert_alike(fold(chunks), said(chat.whole(**parameters)))


def test_log_probabilities_are_of_every_token_and_of_the_model_itself(chat):
    answer = chat.whole(response_format={"type": "regex", "schema": "qqqq"}, logprobs=True, temperature=0)
    (choice,) = answer["choices"]
    assert choice["message"]["content"] == "qqqq" and choice["finish_reason"] == "stop"
    entries = choice["logprobs"]["content"]
    assert b"".join(bytes(entry["bytes"]) for entry in entries) == b"qqqq"
    assert all(entry["logprob"] < 0 for entry in entries)  # forced, so 0 under the mask


def test_an_answer_that_is_cut_says_so(chat):
    answer = chat.whole(response_format=json_schema(PERSON), max_tokens=3)
    assert answer["choices"][0]["finish_reason"] == "length" and answer["usage"]["completion_tokens"] == 3


@pytest.mark.parametrize(
    ("response_format", "param", "words"),
    [
        (json_schema({"items": {"$dynamicRef": "#x"}}), "json_schema.schema", ["dynamicRef", "#/items"]),
        (json_schema({"$ref": "http://127.0.0.1:9/schema.json"}), "json_schema.schema", ["$ref"]),
        (json_schema({"$ref": "#"}), "json_schema.schema", ["$ref"]),
        (json_schema({"type": "integer", "minimum": 2, "maximum": 1}), "json_schema.schema", []),
        ({"type": "regex", "schema": "(a*"}, "schema", []),
        ({"type": "regex", "schema": "(?=a)b"}, "schema", []),
        ({"type": "regex", "schema": "((a{0,200}){0,200}){0,200}"}, "schema", []),
        ({"type": "regex", "schema": "(a|b)*a(a|b){24}"}, "schema", []),
        ({"type": "grammar", "grammar": 'root ::= x\nx ::= [0-9'}, "grammar", ["rule 'x'", "line 2"]),
        ({"type": "grammar", "grammar": 'root ::= "a" root "é" | .'}, "grammar", ["rule 'root' (line 1)", "itself"]),
        ({"type": "grammar", "grammar": 'start: "a" | %json {"type": 1}'}, "grammar", ["rule 'start'", "type"]),
    ],
)  # fmt: skip
def test_what_cannot_be_enforced_is_refused_before_anything_is_said(chat, response_format, param, words):
    for stream in (False, True):
        error = chat.refused(response_format=response_format, stream=stream)
        assert error["param"] == f"response_format.{param}" and error["type"] == "invalid_request_error"
        assert all(word in error["message"] for word in words), error["message"]


def test_a_hundred_at_once_with_one_schema_and_others_beside_them(chat):
    alone = said(chat.whole(seed=11, max_tokens=40))

    def ask(i):
        if i % 10 == 0:
            assert_alike(said(chat.whole(seed=11, max_tokens=40)), alone)
            return
        answer = chat.whole(response_format=json_schema({**PERSON, "title": "shared"}), seed=i, max_tokens=150)
        check(answer["choices"][0], PERSON)

    with ThreadPoolExecutor(100) as threads:
        list(threads.map(ask, range(100)))


class Answer(BaseModel):
    city: Literal["Oslo", "Rome"]
    sure: bool
    score: int = Field(ge=1, le=5)


def test_the_openai_client_parses_the_answer(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0, timeout=TIMEOUT) as client:
        answer = client.chat.completions.parse(model="tiny", messages=HELLO, response_format=Answer, max_tokens=200)
        assert isinstance(answer.choices[0].message.parsed, Answer)
        with pytest.raises(openai.UnprocessableEntityError) as error:
            client.chat.completions.create(
                model="tiny", messages=HELLO, response_format=json_schema({"pattern": r"(a)\1"}, name="x")
            )
        assert error.value.param == "response_format.json_schema.schema"


def test_the_friendli_client_sends_each_format(server):
    with SyncFriendli(token="unused", x_friendli_team=None) as client:

        def ask(response_format):
            answer = client.container.chat.complete(
                messages=HELLO, response_format=response_format, server_url=server.url, max_tokens=CONTEXT // 2,
                retries=None, timeout_ms=TIMEOUT * 1000,
            )  # fmt: skip
            return answer.choices[0].message.content

        assert re.fullmatch("[0-9]{4}", ask({"type": "regex", "schema": "[0-9]{4}"}))
        assert json.loads(ask(json_schema({"enum": [1, "a", None]}))) in (1, "a", None)


def test_a_prompt_is_answered_in_the_form_that_it_asks_for(chat):
    """Greedy, so it is the model's likeliest answer of that form."""
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    answer = chat.whole(
        messages=messages, response_format={"type": "regex", "schema": "(Paris|Rome|Oslo)"}, temperature=0
    )
    assert text(answer) == "Paris"


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("form", "stop", "reason"),
    [
        ({"type": "json_schema", "json_schema": {"schema": PERSON}}, '"name', "length"),
        ({"type": "json_object"}, "{", "length"),
        ({"type": "regex", "schema": "abc(def)?(ghi)?"}, "ghi", "stop"),
        ({"type": "regex", "schema": "abcdefghi"}, "ghi", "length"),
        ({"type": "regex", "schema": "[a-z]{4,5}xyz[a-z]{3}"}, "xyz", "length"),
    ],
)
def test_what_a_stop_string_cuts_is_whole_or_says_that_it_is_not(chat, stream, form, stop, reason):
    body = {"response_format": form, "stop": [stop], "max_tokens": 60}
    options = {"stream_options": {"include_usage": True}}
    for seed in range(3):
        found = fold(chat.chunks(**body, seed=seed, **options)) if stream else said(chat.whole(**body, seed=seed))
        (choice,) = found["choices"]
        assert stop not in choice["text"]
        assert choice["finish_reason"] == reason
