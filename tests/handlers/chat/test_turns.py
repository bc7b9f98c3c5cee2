"""Conversation turns: results answer calls, each once, and the error names the message that is out of place."""

import pytest

USER = {"role": "user", "content": "Hi"}


def calls(*ids):
    made = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
    return {"role": "assistant", "content": None, "tool_calls": made}


def result(id):
    return {"role": "tool", "tool_call_id": id, "content": "12"}


@pytest.mark.parametrize(
    "messages",
    [
        [USER, calls("a"), result("a")],
        [USER, calls("a", "b"), result("b"), result("a"), USER],
        [USER, calls("a", "b"), result("b"), USER],  # a call that was never answered
        [USER, calls("a"), result("a"), calls("a"), result("a")],  # some models number their calls anew in each turn
    ],
)
def test_a_conversation_that_follows(post, messages):
    assert post(messages=messages).status_code == 200


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([result("a")], "messages.0.tool_call_id"),
        ([USER, calls("a"), result("b")], "messages.2.tool_call_id"),
        ([USER, calls("a"), result("a"), result("a")], "messages.3.tool_call_id"),
        ([USER, calls("a"), USER, result("a")], "messages.3.tool_call_id"),
        ([USER, calls("a"), {"role": "assistant", "content": "x"}, result("a")], "messages.3.tool_call_id"),
        ([USER, calls("a", "b", "a")], "messages.1.tool_calls.2.id"),
    ],
)
def test_one_that_does_not_names_the_message(post, messages, param):
    response = post(messages=messages)
    error = response.json()["error"]
    assert response.status_code == 422 and error["param"] == param and param in error["message"]
