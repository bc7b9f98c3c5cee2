"""tools and tool_choice: what the compiler is asked for, what is relaxed and named, and what is refused."""

import json

import pytest

from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format, ReasoningSyntax
from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.text.test_tokenizer import save_byte_level

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Hi"}], "seed": 0}
HERMES = Format(TOOL_SYNTAXES["hermes"], REASONING_SYNTAXES["think"], tool_name="hermes", reasoning_name="think")
PLAIN_TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
NAMED = {"type": "function", "function": {"name": "b"}}


def tool(name, parameters, **more):
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


A, B = tool("a", {"type": "object", "properties": {"x": {"type": "number", "maximum": 1.50}}}), tool("b", {})
BAD = tool("bad", {"type": "object", "properties": {"y": {"refuse": 1}}})


@pytest.fixture(scope="module")
def hermes(fakes):
    with fakes.connected(format=HERMES) as app:
        yield app


@pytest.fixture(scope="module")
def without_places(fakes, tmp_path_factory):
    """A model whose chat template has no place for tools."""
    tokenizer = ChatTokenizer(save_byte_level(tmp_path_factory.mktemp("model"), PLAIN_TEMPLATE))

    class Engine(fakes.Engine):
        context_length, vocab_size = 4096, tokenizer.vocab_size

    with fakes.connected(Engine(), tokenizer, format=tokenizer.format) as app:
        yield app


def send(app, **more):
    return app.client.post(PATH, json={**BODY, **more})


def values(term):
    """The schemas in structural terms, with their places."""
    if isinstance(term, list) and term[:1] == ["JsonSchema"]:
        return [(term[2], term[1])]
    return [found for part in term for found in values(part)] if isinstance(term, list) else []


@pytest.mark.parametrize("choice", ["auto", "required", NAMED])
def test_a_template_without_places_for_tools_has_calls_all_the_same(without_places, choice):
    call = {"id": "c", "type": "function", "function": {"name": "a", "arguments": '{"x": 1}'}}
    earlier = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "2", "tool_call_id": "c"}]
    response = send(without_places, messages=[*BODY["messages"], *earlier], tools=[A, B], tool_choice=choice)
    assert response.status_code == 200, response.text
    assert "x-ignored-parameters" not in response.headers
    prompt = without_places.engine.generations[-1].request.prompt.tokens
    shown = without_places.tokenizer.decode_tail(prompt, len(prompt))
    assert '"name": "b"' in shown and '"arguments": {"x": 1}}\n</tool_call>' in shown and ">\n2\n</" in shown
    constraint = json.loads(without_places.compiler.constraints[-1].text)
    assert "<tool_call>" in json.dumps(constraint)
    places = ["tools.1.function.parameters"] if choice is NAMED else [f"tools.{i}.function.parameters" for i in (0, 1)]
    assert sorted(dict(values(constraint))) == places


def asked(app):
    constraint = app.compiler.constraints[-1]
    assert constraint.kind == "structural"
    return dict(values(json.loads(constraint.text)))


@pytest.mark.parametrize("choice", ["auto", "required"])
@pytest.mark.parametrize("stream", [False, True])
def test_every_tool_is_in_the_grammar_with_its_schema(hermes, choice, stream):
    assert send(hermes, tools=[A, B], tool_choice=choice, stream=stream).status_code == 200
    schemas = {f"tools.{i}.function.parameters": t["function"]["parameters"] for i, t in enumerate((A, B))}
    assert asked(hermes) == schemas
    assert hermes.engine.generations[-1].request.grammar is not None


def test_a_named_function_is_the_only_one_in_the_grammar(hermes):
    assert send(hermes, tools=[A, B], tool_choice=NAMED).status_code == 200
    assert asked(hermes) == {"tools.1.function.parameters": {}}


def allowed(mode, *names):
    choices = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": choices}}


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_only_tools_that_are_allowed_are_in_the_grammar_and_all_are_in_the_prompt(hermes, without_places, mode):
    assert send(hermes, tools=[A, BAD, B], tool_choice=allowed(mode, "b", "a")).status_code == 200
    schemas = {"tools.0.function.parameters": A["function"]["parameters"], "tools.2.function.parameters": {}}
    assert asked(hermes) == schemas
    prompts = []
    for choice in (mode, allowed(mode, "b")):
        assert send(without_places, tools=[A, B], tool_choice=choice).status_code == 200
        prompts.append(without_places.engine.generations[-1].request.prompt)
    assert asked(without_places).keys() == {"tools.1.function.parameters"} and prompts[0] == prompts[1]


@pytest.mark.parametrize("tools", [[A], []])
@pytest.mark.parametrize("mode", ["auto", "required"])
def test_what_is_allowed_and_not_there_is_refused_with_its_place(hermes, tools, mode):
    response = send(hermes, tools=tools, tool_choice=allowed(mode, "a", "c"))
    error, i = response.json()["error"], 1 if tools else 0
    assert response.status_code == 422 and error["param"] == f"tool_choice.allowed_tools.tools.{i}.function.name"


def test_a_choice_of_some_tools_is_named_where_nothing_enforces_it(fakes, hermes):
    """Nothing marks where a call of Llama 3 begins; or what enforces calls cannot be compiled."""
    with fakes.connected(format=Format(TOOL_SYNTAXES["llama3"])) as app:
        for mode, expected in (("auto", "tool_choice"), ("required", None)):
            response = send(app, tools=[A, B], tool_choice=allowed(mode, "a"))
            assert response.status_code == 200 and response.headers.get("x-ignored-parameters") == expected
    named = tool("bad", {"type": "object", "properties": {"refuse": {}}})
    response = send(hermes, tools=[A, named], tool_choice=allowed("auto", "bad"))
    assert response.headers["x-ignored-parameters"].split(",") == ["tools.1.function.parameters", "tool_choice"]


@pytest.mark.parametrize("parameters", [{"tools": [A], "tool_choice": "none"}, {"tools": []}, {}])
def test_without_tools_to_call_there_is_no_grammar(hermes, parameters):
    assert send(hermes, **parameters).status_code == 200
    assert hermes.engine.generations[-1].request.grammar is None


@pytest.mark.parametrize("choice", [None, "auto"])
def test_a_schema_that_cannot_be_enforced_is_named_where_nothing_must_be_called(hermes, choice):
    response = send(hermes, tools=[A, BAD], **({"tool_choice": choice} if choice else {}))
    assert response.status_code == 200
    assert response.headers["x-ignored-parameters"] == "tools.1.function.parameters"
    found = asked(hermes)
    assert found["tools.0.function.parameters"] == A["function"]["parameters"]
    assert found["tools.1.function.parameters"]["properties"] == {"y": {}}


@pytest.mark.parametrize(
    "parameters",
    [
        {"tools": [A, BAD], "tool_choice": "required"},
        {"tools": [A, BAD], "tool_choice": {"type": "function", "function": {"name": "bad"}}},
        {"tools": [A, tool("bad", BAD["function"]["parameters"], strict=True)]},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_where_it_must_be_enforced_it_is_422_with_its_place(hermes, parameters, stream):
    response = send(hermes, stream=stream, **parameters)
    error = response.json()["error"]
    assert response.status_code == 422 and error["param"] == "tools.1.function.parameters"
    assert "'refuse'" in error["message"]
    assert all(generation.closed for generation in hermes.engine.generations)


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_a_model_that_no_grammar_can_be_enforced_with(fakes, choice):
    engine = fakes.Engine()
    engine.constraint_unsupported_reason = "what its tokens write is not known"
    with fakes.connected(engine, format=HERMES) as app:
        response = send(app, tools=[A], tool_choice=choice, parallel_tool_calls=False)
        if choice == "auto":
            assert response.status_code == 200 and engine.generations[-1].request.grammar is None
            assert response.headers["x-ignored-parameters"] == "parallel_tool_calls"
        else:
            assert response.status_code == 422 and "is not known" in response.json()["error"]["message"]


def test_a_schema_that_cannot_be_enforced_even_with_any_values_leaves_calls_to_the_model(hermes):
    named = tool("bad", {"type": "object", "properties": {"refuse": {}}})
    response = send(hermes, tools=[A, named], parallel_tool_calls=False)
    assert response.status_code == 200 and asked(hermes) == {}
    places = [f"tools.{i}.function.parameters" for i in range(2)]
    assert response.headers["x-ignored-parameters"].split(",") == [*places, "parallel_tool_calls"]


@pytest.mark.parametrize(("family", "named"), [("hermes", None), ("llama3", "parallel_tool_calls")])
def test_one_call_at_most_is_named_where_nothing_enforces_it(fakes, family, named):
    """Nothing marks where a call of Llama 3 begins; what must be called is enforced all the same."""
    with fakes.connected(format=Format(TOOL_SYNTAXES[family])) as app:
        for choice, expected in (("auto", named), ("required", None)):
            response = send(app, tools=[A], parallel_tool_calls=False, tool_choice=choice)
            assert response.status_code == 200 and response.headers.get("x-ignored-parameters") == expected


@pytest.mark.parametrize("close", ["</think" + ">" * 20, None])
def test_a_budget_whose_end_cannot_be_forced_is_422(fakes, close):
    class Wordless(fakes.Tokenizer):
        def marker_tokens(self, marker):
            raise ValueError(f"the tokenizer cannot write {marker!r} by itself")

    reasoning = ReasoningSyntax("<think>", close or "</think>")
    format = Format(TOOL_SYNTAXES["hermes"], reasoning)
    with fakes.connected(format=format, tokenizer=fakes.Tokenizer() if close else Wordless()) as app:
        response = send(app, reasoning_budget=3)
    error = response.json()["error"]
    assert response.status_code == 422 and error["param"] == "reasoning_budget" and "</think" in error["message"]


@pytest.mark.parametrize("budget", [0, 7])
def test_a_reasoning_budget_reaches_the_engine_with_the_tokens_that_end_reasoning(hermes, budget):
    assert send(hermes, reasoning_budget=budget).status_code == 200
    request = hermes.engine.generations[-1].request
    assert request.reasoning_limit.tokens == budget and request.grammar is not None
    assert bytes(request.reasoning_limit.closing) == b"</think>\n\n"


def test_no_limit_needs_no_grammar(hermes):
    assert send(hermes, reasoning_budget=-1).status_code == 200
    request = hermes.engine.generations[-1].request
    assert request.reasoning_limit is None and request.grammar is None


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"parse_reasoning": True, "include_reasoning": False, "reasoning_budget": 3}, None),
        ({"parse_reasoning": False}, None),
        ({"parse_reasoning": False, "response_format": {"type": "json_object"}}, "parse_reasoning"),
    ],
)
def test_reasoning_parameters_are_honoured_by_a_model_that_reasons(hermes, parameters, names):
    response = send(hermes, **parameters)
    assert response.status_code == 200 and response.headers.get("x-ignored-parameters") == names


def test_a_format_comes_behind_the_reasoning(hermes):
    assert send(hermes, response_format={"type": "json_object"}).status_code == 200
    terms = json.loads(hermes.compiler.constraints[-1].text)
    assert terms[0] == "Concat" and values(terms) == [("", {"type": "object"})] and "</think>" in json.dumps(terms)
    assert send(hermes, response_format={"type": "grammar", "grammar": "start: A"}).status_code == 200
    terms = json.loads(hermes.compiler.constraints[-1].text)
    assert terms[1][-1] == ["ContextFree", "start: A", "response_format", "", 0]


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_where_no_compiler_can_be_started_nothing_is_relaxed(hermes, choice):
    response = send(hermes, tools=[tool("a", {"description": "unavailable"})], tool_choice=choice)
    assert response.status_code == 503 and response.json()["error"]["code"] == "compiler_unavailable"
