"""Conversation turns: whatever does not follow is named, and refused never."""

import pytest

USER = {"role": "user", "content": "Hi"}


def calls(*ids, **arguments):
    each = [*((id, "{}") for id in ids), *arguments.items()]
    made = [{"id": id, "type": "function", "function": {"name": "f", "arguments": text}} for id, text in each]
    return {"role": "assistant", "content": None, "tool_calls": made}


def old(name, arguments="{}"):
    return {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": arguments}}


def old_result(name):
    return {"role": "function", "name": name, "content": "12"}


def result(id):
    return {"role": "tool", "tool_call_id": id, "content": "12"}


@pytest.mark.parametrize(
    "messages",
    [
        [USER, calls("a"), result("a")],
        [USER, calls("a", "b"), result("b"), result("a"), USER],
        [USER, calls("a", "b"), result("b"), USER],  # a call that was never answered
        [USER, calls(a=""), result("a")],
        [USER, calls(a={"x": 1}), result("a")],
        [USER, old("f"), old_result("f"), old("f", ""), old_result("f"), USER],
        [USER, calls("a"), result("a"), calls("a"), result("a")],  # some models number their calls anew in each turn
    ],
)
def test_a_conversation_that_follows(post, messages):
    response = post(messages=messages)
    assert response.status_code == 200 and "x-ignored-parameters" not in response.headers


@pytest.mark.parametrize(
    ("messages", "names"),
    [
        ([result("a")], ["messages.0.tool_call_id"]),
        ([USER, calls("a"), result("b")], ["messages.2.tool_call_id"]),
        ([USER, calls("a"), result("a"), result("a")], ["messages.3.tool_call_id"]),
        ([USER, calls("a"), USER, result("a")], ["messages.3.tool_call_id"]),
        ([USER, calls("a"), {"role": "assistant", "content": "x"}, result("a")], ["messages.3.tool_call_id"]),
        ([USER, calls("a", "b", "a")], ["messages.1.tool_calls.2.id"]),
        ([USER, calls(a='{"x": "cut o'), result("a")], ["messages.1.tool_calls.0.function.arguments"]),
        ([USER, calls(a="[1]")], ["messages.1.tool_calls.0.function.arguments"]),
        ([USER, calls(a='{"x": NaN}')], ["messages.1.tool_calls.0.function.arguments"]),
        ([USER, calls(a=None)], ["messages.1.tool_calls.0.function.arguments"]),
        ([USER, {"role": "assistant"}], ["messages.1.content"]),
        ([USER, old("f", "{"), old_result("f")], ["messages.1.function_call.arguments"]),
        ([USER, old("f"), old_result("g")], ["messages.2.name"]),
        ([USER, old("f"), old_result("f"), old_result("f")], ["messages.3.name"]),
        ([USER, calls("a"), old_result("f")], ["messages.2.name"]),
    ],
)
def test_what_does_not_follow_is_put_to_the_model_all_the_same_and_named(post, messages, names):
    response = post(messages=messages)
    assert response.status_code == 200, response.text
    assert response.headers["x-ignored-parameters"].split(",") == names
