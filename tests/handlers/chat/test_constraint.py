"""response_format: the compiler gets what was sent, and what it cannot compile is the request's own error."""

import json
import threading
from decimal import Decimal
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.grammar import ConstText
from handlers.chat.output import output_request
from handlers.chat.request import read_request
from handlers.formats.names import FunctionNames
from handlers.formats.syntax import Format
from handlers.generation.constraint import ConstraintBuilder
from handlers.generation.output import OutputPlan
from handlers.http.validation import JSONBody

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}], "seed": 0}
JSON_OBJECT = {"type": "json_object"}


def json_schema(schema, **more):
    return {"type": "json_schema", "json_schema": {"schema": schema, **more}}


def regex(pattern):
    return {"type": "regex", "schema": pattern}


def grammar(text, **more):
    return {"type": "grammar", "grammar": text, **more}


def send(app, response_format, **more):
    return app.client.post(PATH, json={**BODY, "response_format": response_format, **more})


def refused(response, status, param, *words):
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["param"] == param and all(word in error["message"] for word in words), error


@pytest.mark.parametrize(
    ("response_format", "kind", "text"),
    [
        (JSON_OBJECT, "json_object", ""),
        (regex("[a-z]+ 東京"), "regex", "[a-z]+ 東京"),
        (json_schema({"type": "object", "properties": {"b": {}, "a": {}}}), "json_schema",
         '{"type":"object","properties":{"b":{},"a":{}}}'),
        (json_schema({}, name="n", strict=True, description="d"), "json_schema", "{}"),
        (grammar('root ::= "é"'), "structural", '["ContextFree","root ::= \\"é\\"","response_format","",0]'),
        (grammar("start: A", syntax="lark", max_recursion=3), "structural",
         '["ContextFree","start: A","response_format","lark",3]'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_each_format_is_compiled_and_goes_to_the_engine(app, response_format, kind, text, stream):
    assert send(app, response_format, stream=stream).status_code == 200
    constraint = app.compiler.constraints[-1]
    assert (constraint.kind, constraint.text, constraint.open_objects) == (kind, text, False)
    grammar = app.engine.generations[-1].request.grammar
    assert grammar.key == constraint


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_grammar_does_not_enforce_is_named_behind_the_schema(app, stream):
    response = send(app, json_schema({"format": "unknown"}), stream=stream)
    place = "response_format.json_schema.schema"
    assert unquote(response.headers["x-ignored-parameters"]) == f"{place}#/format,{place}#/items/uniqueItems"
    assert "x-ignored-parameters" not in send(app, json_schema({"format": "date"}), stream=stream).headers


@pytest.mark.parametrize("strict", [None, False, True])
def test_strict_goes_to_the_compiler(app, strict):
    send(app, json_schema({}, strict=strict))
    assert app.compiler.constraints[-1].strict is (strict is True)


@pytest.mark.parametrize("more", [{}, {"response_format": None}, {"response_format": {"type": "text"}}])
def test_text_has_no_grammar(app, more):
    assert app.client.post(PATH, json={**BODY, **more}).status_code == 200
    assert app.engine.generations[-1].request.grammar is None


NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, max_value=10**300, min_value=-(10**300))
NAMES = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | NAMES,
    lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner),
    max_leaves=20,
)


def to_json(value):
    """With numbers as they are, which json.dumps cannot."""
    match value:
        case bool() | None | str():
            return json.dumps(value)
        case int():
            return str(value)
        case Decimal():
            return f"{value:E}" if value.is_finite() else "0"
        case list():
            return f"[{','.join(map(to_json, value))}]"
        case dict():
            return f"{{{','.join(f'{json.dumps(key)}:{to_json(item)}' for key, item in value.items())}}}"


def exact(text):
    """The value, with the order of its properties."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal, object_pairs_hook=list)


@given(schema=st.dictionaries(NAMES, VALUES))
def test_the_schema_is_taken_as_it_is_with_its_order_and_every_digit(schema):
    text = to_json(schema)
    body = f'{{"messages": [], "response_format": {{"type": "json_schema", "json_schema": {{"schema": {text}}}}}}}'
    given = {"messages": BODY["messages"], "response_format": json_schema({})}
    request = read_request(JSONBody(given, body.encode()), strict=False)
    form = output_request(request, FunctionNames(Format(), []), body.encode()).form
    output = OutputPlan(Format(), spell=lambda text: (ConstText(text),), enforceable=True, form=form)
    assert exact(ConstraintBuilder(output, compiler=None).spec().constraint.text) == exact(text)


def test_numbers_that_no_double_holds_are_not_rounded(app):
    numbers = '{"minimum": 9007199254740993.5, "maximum": 123456789012345678901234567890, "multipleOf": 0.10}'
    body = json.dumps({**BODY, "response_format": json_schema("HERE")}).replace('"HERE"', numbers)
    assert app.client.post(PATH, content=body, headers={"content-type": "application/json"}).status_code == 200
    assert app.compiler.constraints[-1].text == numbers.replace(" ", "")


@pytest.mark.parametrize(
    ("response_format", "param", "words"),
    [
        (json_schema({"refuse": 1}), "response_format.json_schema.schema", ["'refuse'", "#/items"]),
        (regex("refuse"), "response_format.schema", ["not supported"]),
        (json_schema({"x": "x" * (1 << 20)}), "response_format.json_schema.schema", ["1048584 bytes", "1048576"]),
        (regex("x" * ((1 << 20) + 1)), "response_format.schema", ["1048577 bytes"]),
        (regex("é" * (1 << 19) + "."), "response_format.schema", ["1048577 bytes"]),
        (grammar("refuse"), "response_format.grammar", ["not supported"]),
        (grammar("x" * (1 << 20)), "response_format.grammar", ["bytes", "1048576"]),
        (grammar(""), "response_format.grammar", ["must"]),
        (grammar("start: A", syntax="yacc"), "response_format.syntax", ["gbnf", "lark"]),
        (grammar("start: A", max_recursion=0), "response_format.max_recursion", ["1"]),
        ({"type": "grammar"}, "response_format.grammar", ["required"]),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_cannot_be_compiled_is_422_with_its_place_and_frees_the_engine(app, response_format, param, words, stream):
    refused(send(app, response_format, stream=stream), 422, param, *words)
    assert all(generation.closed for generation in app.engine.generations)


def test_a_schema_that_is_nested_too_deeply_to_be_written_is_422(app):
    schema = {}
    for _ in range(300):
        schema = {"items": schema}
    refused(send(app, json_schema(schema)), 422, "response_format.json_schema.schema", "nested")


def test_a_fault_of_the_compiler_is_500_without_its_words(app):
    response = send(app, regex("fault"))
    assert response.status_code == 500 and "secret" not in response.text
    assert app.engine.generations[-1].closed


@pytest.mark.parametrize(
    ("eos_token", "without"), [([256], ""), ([ord("{")], "{"), ([256, ord("x"), ord("}")], "x}"), (None, "")]
)
def test_an_answer_has_no_characters_that_are_end_tokens(app, eos_token, without):
    assert send(app, JSON_OBJECT, eos_token=eos_token).status_code == 200
    assert app.compiler.constraints[-1].without == without
    assert send(app, {"type": "text"}, eos_token=eos_token).status_code == 200


def test_what_cannot_be_written_without_end_tokens_says_so(app):
    refused(send(app, regex("refuse"), eos_token=[ord("{")]), 422, "response_format.schema", "eos_token", "'{'")


def test_an_end_token_that_is_a_part_of_characters_is_refused_beside_a_form(app):
    refused(send(app, JSON_OBJECT, eos_token=[256, 0xC3]), 422, "eos_token.1", "part of characters")


def test_where_no_compiler_can_be_started_it_is_503_to_try_again(app):
    response = send(app, regex("unavailable"))
    refused(response, 503, None, "try again")
    assert response.headers["retry-after"] and response.json()["error"]["code"] == "compiler_unavailable"
    assert "secret" not in response.text


def test_compilations_count_to_the_share_of_the_address_that_asks(app):
    send(app, JSON_OBJECT)
    assert app.compiler.clients[-1] == "testclient"


def test_a_client_that_leaves_does_not_wait_for_its_grammar(fakes):
    compiler = fakes.Compiler(delayed=True)
    with fakes.served(compiler=compiler) as server:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(server.url + PATH, json={**BODY, "response_format": JSON_OBJECT}, timeout=0.5)
        fakes.wait_until(lambda: compiler.released)
        compiler.go.set()


def test_a_request_that_cannot_be_queued_does_not_wait_for_its_grammar(fakes):
    compiler = fakes.Compiler(delayed=True)
    with fakes.connected(fakes.Engine(full=True), compiler=compiler) as app:
        assert send(app, JSON_OBJECT).status_code == 429
        fakes.wait_until(lambda: compiler.released)
        compiler.go.set()


def test_a_compiler_that_has_too_much_to_do_is_429(fakes):
    with fakes.connected(compiler=fakes.Compiler(busy=True)) as app:
        response = send(app, JSON_OBJECT)
        refused(response, 429, None, "compiling")
        assert response.headers["retry-after"] == "7" and response.json()["error"]["code"] == "compiler_busy"


def test_a_model_that_no_grammar_can_be_enforced_with_says_why(fakes):
    engine = fakes.Engine()
    engine.constraint_unsupported_reason = "what its tokens write is not known"
    with fakes.connected(engine) as app:
        refused(send(app, JSON_OBJECT), 422, "response_format.type", "is not known", "use 'text'")
        assert app.client.post(PATH, json={**BODY, "response_format": {"type": "text"}}).status_code == 200


def test_the_request_is_queued_while_its_grammar_is_compiled_and_answered_after(fakes):
    compiler = fakes.Compiler(delayed=True)
    with fakes.connected(compiler=compiler) as app:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(send(app, JSON_OBJECT)))
        thread.start()
        fakes.wait_until(lambda: app.engine.generations)
        assert not answers and not app.engine.generations[0].drawn
        compiler.go.set()
        thread.join(5)
        assert answers[0].status_code == 200


def test_a_prompt_that_is_refused_leaves_no_one_waiting(app):
    messages = [{"role": "user", "content": "refuse"}]
    refused(send(app, JSON_OBJECT, messages=messages), 422, "messages.0.content")


def test_the_compiler_is_closed_with_the_server(fakes):
    with fakes.connected() as app:
        pass
    assert app.compiler.closed
