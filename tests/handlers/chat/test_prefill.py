"""continue_final_message: the prompt ends with the message, and the answer goes on from it, with its form and calls."""

import json
from pathlib import Path

import pytest

from handlers.text.tokenizer import ChatTokenizer

TINY = Path(__file__).parents[3] / "backend/tiny/checkpoint"
PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "Hi"}
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {}}}},
}
CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call>'


@pytest.fixture(scope="module")
def app(fakes):
    """The bundled model's tokenizer; `app.say(text)`: what the engine says from now on."""
    tokenizer = ChatTokenizer(TINY)
    reply = []

    class Generation(fakes.Generation):
        def _reply(self, choice):
            return reply

    class Engine(fakes.Engine):
        context_length, vocab_size, generation = 4096, tokenizer.vocab_size, Generation

    with fakes.connected(Engine(), tokenizer, format=tokenizer.format) as app:
        app.say = lambda text: reply.__setitem__(
            slice(None), [*tokenizer.marker_tokens(text), *tokenizer.end_tokens[:1]]
        )
        yield app


def go_on(app, written, said, **more):
    """The response to a chat whose last message is `written`, and what the engine was asked."""
    app.say(said)
    message = written if isinstance(written, dict) else {"role": "assistant", "content": written}
    body = {"messages": [USER, message], "continue_final_message": True, "add_generation_prompt": False, **more}
    response = app.client.post(PATH, json=body)
    request = app.engine.generations[-1].request
    return response, request, app.tokenizer.decode_tail(request.prompt.tokens, 100)


def message_of(response):
    assert response.status_code == 200, response.text
    (choice,) = response.json()["choices"]
    return choice["message"]


def test_the_answer_has_what_is_new(app):
    response, request, prompt = go_on(app, "The answer is", " forty-two.")
    assert message_of(response)["content"] == " forty-two." and prompt.endswith("\nThe answer is")
    assert request.written == () and request.grammar is None
    assert "x-ignored-parameters" not in response.headers


def test_in_a_stream_too(app):
    response, *_ = go_on(app, "The answer is ", " forty-two.", stream=True)
    events = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line.startswith("data: {")]
    deltas = [json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events]
    assert "".join(deltas) == " forty-two."


@pytest.mark.parametrize(
    "response_format",
    [{"type": "json_object"}, {"type": "regex", "schema": '\\{"a": 1\\}'},
     {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}],
)  # fmt: skip
def test_a_format_holds_for_the_whole(app, response_format):
    response, request, _ = go_on(app, '{"a":', " 1}", response_format=response_format)
    assert message_of(response)["content"] == " 1}"
    assert app.tokenizer.decode_tail(request.written, 100) == '{"a":' and request.grammar is not None


def test_what_no_answer_begins_with_is_422_and_frees_the_engine(app, monkeypatch):
    monkeypatch.setattr(app.engine, "refuses", True)
    response, *_ = go_on(app, "Well,", "", response_format={"type": "json_object"})
    assert response.status_code == 422 and response.json()["error"]["param"] == "messages.1.content"
    assert app.engine.generations[-1].closed
    assert go_on(app, "Well,", "")[0].status_code == 200


@pytest.mark.parametrize("cut", range(0, len(CALL) + 1, 7))
def test_a_call_that_is_begun_is_given_whole(app, cut):
    response, _, _ = go_on(app, CALL[:cut] or "", CALL[cut:], tools=[TOOL])
    message = message_of(response)
    (call,) = message["tool_calls"]
    assert call["function"] == {"name": "weather", "arguments": '{"city": "Oslo"}'} and message["content"] is None
    assert response.json()["choices"][0]["finish_reason"] == "tool_calls"


def test_stop_strings_are_looked_for_in_what_is_new(app):
    response, *_ = go_on(app, "one stop", " two stop three", stop=["stop"])
    assert message_of(response)["content"] == " two "


def test_reasoning_that_was_begun_is_told_apart(app):
    response, *_ = go_on(app, "<think>\nHm,", " so.\n</think>\n\nYes.", parse_reasoning=True)
    message = message_of(response)
    assert message["content"] == "Yes." and message["reasoning_content"].strip() == "so."


def test_of_a_message_without_content_the_reasoning_goes_on(app):
    written = {"role": "assistant", "content": "", "reasoning_content": "Hm,"}
    response, _, prompt = go_on(app, written, " so.\n</think>\n\nYes.", parse_reasoning=True)
    assert prompt.endswith("<think>\nHm,")
    assert message_of(response)["content"] == "Yes."


@pytest.mark.parametrize(("said", "reason"), [(' "b"]', "stop"), (' "a "]', "length")])
def test_what_a_grammar_leaves_to_be_checked_is_checked_of_the_whole(app, said, reason):
    schema = {"items": {}, "description": "unknown", "uniqueItems": True}
    form = {"type": "json_schema", "json_schema": {"schema": schema}}
    response, _, _ = go_on(app, '["a ",', said, response_format=form)
    assert message_of(response)["content"] == said and response.json()["choices"][0]["finish_reason"] == reason


def test_without_a_generation_prompt_the_prompt_ends_with_the_last_message(app):
    app.say("x")
    assert app.client.post(PATH, json={"messages": [USER], "add_generation_prompt": False}).status_code == 200
    tokens = app.engine.generations[-1].request.prompt.tokens
    assert "assistant" not in app.tokenizer.decode_tail(tokens, 100)


@pytest.mark.parametrize("content", ["<think>\nhm\n</think>\n\nYes", "a <think>b</think> c"])
def test_what_the_template_does_not_show_as_it_is_cannot_be_continued(app, content):
    body = {"messages": [USER, {"role": "assistant", "content": content}], "continue_final_message": True}
    response = app.client.post(PATH, json=body)
    error = response.json()["error"]
    assert response.status_code == 422 and error["param"] == "messages.1.content"
    assert "give its reasoning apart" in error["message"]
    assert "hm" not in error["message"] and "TAG" not in error["message"]


def test_the_message_alone_may_be_all_there_is(app):
    app.say(" there")
    body = {"messages": [{"role": "assistant", "content": "Hello"}], "continue_final_message": True}
    assert message_of(app.client.post(PATH, json=body))["content"] == " there"
