"""What is too large for the model is refused before it is read closely, and what fits is not."""

import pytest

from handlers.chat.size import MOST_TOOLS

PATH = "/v1/chat/completions"
HI = {"role": "user", "content": "Hi"}


def tool(i):
    return {"type": "function", "function": {"name": f"f{i}", "parameters": {"type": "object"}}}


@pytest.fixture
def refusal(app, fakes):
    def refusal(**body):
        before = len(app.tokenizer.calls)
        response = app.client.post(PATH, json={"messages": [HI], **body})
        assert response.status_code == 422, response.text
        assert len(app.tokenizer.calls) == before
        return response.json()["error"]

    return refusal


def test_more_messages_or_parts_than_tokens_of_the_context(refusal, fakes):
    many = fakes.CONTEXT + 1
    assert refusal(messages=[HI] * many)["param"] == "messages"
    parts = {"role": "user", "content": [{"type": "text", "text": ""}] * many}
    assert refusal(messages=[parts])["code"] == "context_length_exceeded"
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert refusal(messages=[HI, {"role": "assistant", "tool_calls": [call] * many}])["param"] == "messages"


def test_more_tools_or_biased_tokens_than_can_be(refusal, fakes):
    assert refusal(tools=[tool(i) for i in range(MOST_TOOLS + 1)])["param"] == "tools"
    assert refusal(logit_bias={str(i): 0 for i in range(fakes.VOCAB + 1)})["param"] == "logit_bias"


@pytest.mark.parametrize("text", [" ", "a", "é", "\n"])
def test_longer_texts_than_the_context(refusal, fakes, text):
    message = {"role": "user", "content": text * (4 * fakes.CONTEXT + 1)}
    error = refusal(messages=[message])
    assert error["code"] == "context_length_exceeded" and str(fakes.CONTEXT) in error["message"]
    parts = [{"type": "text", "text": text * (2 * fakes.CONTEXT + 1)}] * 2
    assert refusal(messages=[{"role": "user", "content": parts}])["code"] == "context_length_exceeded"


def test_a_context_that_is_full_is_answered(app, fakes):
    room = fakes.CONTEXT - len('""') - 1
    response = app.client.post(PATH, json={"messages": [{"role": "user", "content": "a" * room}], "seed": 1})
    assert response.status_code == 200
