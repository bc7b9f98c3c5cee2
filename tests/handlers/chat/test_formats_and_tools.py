"""response_format beside tools: the model makes calls, or answers in the format, and nothing else."""

import json

import pytest

from backend.grammar import COMPLETE, DEFAULT_LIMITS
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}], "seed": 0}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORMAT = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
HERMES = Format(TOOL_SYNTAXES["hermes"], REASONING_SYNTAXES["think"], tool_name="hermes", reasoning_name="think")
LLAMA = Format(TOOL_SYNTAXES["llama3"])
CALL = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'


def tool(**parameters):
    return {"type": "function", "function": {"name": "f", "parameters": parameters}}


@pytest.fixture(scope="module", params=[HERMES, LLAMA], ids=["hermes", "llama3"])
def app(fakes, request):
    with fakes.connected(format=request.param) as app:
        yield app, request.param


def grammar(app, **more):
    response = app.client.post(PATH, json={**BODY, "response_format": FORMAT, **more})
    assert response.status_code == 200, response.text
    return Runner(compile_constraint(app.compiler.constraints[-1], COMPLETE, DEFAULT_LIMITS)), response


def test_calls_or_an_answer_in_the_format(app):
    app, format = app
    runner, response = grammar(app, tools=[tool(type="object", properties={})])
    call = CALL if format is HERMES else '<|python_tag|>{"name": "f", "parameters": {}}'
    assert runner.accepts(call.encode()) and runner.accepts(b'{"n": 1}')
    assert not any(runner.accepts(text) for text in (b"", b"Hi", b'{"n": 1} ' + call.encode(), b'{"n": "a"}'))
    assert runner.accepts(b'<think>Hm.</think>\n{"n": 1}') == (format is HERMES)
    assert "x-ignored-parameters" not in response.headers


@pytest.mark.parametrize(
    ("choice", "named"), [("required", ["response_format"]), ("none", ["tools"])], ids=["required", "none"]
)
def test_what_is_chosen_leaves_only_one_of_the_two_and_names_the_other(app, choice, named):
    runner, response = grammar(app[0], tools=[tool(type="object", properties={})], tool_choice=choice)
    assert runner.accepts(b'{"n": 1}') == (choice == "none")
    assert response.headers["x-ignored-parameters"].split(",") == named


@pytest.mark.parametrize(
    ("parameters", "response_format", "param"),
    [
        ({"type": "object"}, {"type": "json_schema", "json_schema": {"schema": {"refuse": 1}}},
         "response_format.json_schema.schema"),
        ({"refuse": 1}, {"type": "json_schema", "json_schema": {"schema": {"refuse": 1}}},
         "response_format.json_schema.schema"),
        ({"type": "object"}, {"type": "regex", "schema": "refuse"}, "response_format.schema"),
    ],
)  # fmt: skip
def test_a_format_that_cannot_be_enforced_is_422_whatever_the_tools_are(app, parameters, response_format, param):
    body = {**BODY, "tools": [tool(**parameters)], "response_format": response_format}
    response = app[0].client.post(PATH, json=body)
    assert response.status_code == 422 and response.json()["error"]["param"] == param


def test_a_tool_that_cannot_be_enforced_is_relaxed_beside_the_format(app):
    app, _ = app
    response = app.client.post(PATH, json={**BODY, "tools": [tool(refuse=1)], "response_format": FORMAT})
    assert response.status_code == 200
    assert response.headers["x-ignored-parameters"] == "tools.0.function.parameters"
    assert json.dumps(SCHEMA, separators=(",", ":")) in app.compiler.constraints[-1].text
