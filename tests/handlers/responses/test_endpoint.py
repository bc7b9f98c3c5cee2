"""POST /v1/responses and what is asked of responses that are kept: statuses, errors, streams, whose is whose."""

import json
import re
import socket
import threading

import httpx
import jsonschema_rs
import pytest

from handlers.http import sse
from handlers.http.access import Access, digests
from handlers.http.spec import load_document
from handlers.responses.reasoning import encrypted
from handlers.text.template import PromptError

COMPONENTS = load_document()["components"]
EVENT, RESPONSE, LIST = (
    jsonschema_rs.Draft202012Validator({**COMPONENTS["schemas"][name], "components": COMPONENTS})
    for name in ("ResponsesStreamEvent", "ContainerResponsesSuccess", "ResponsesItemList")
)
USER = {"role": "user", "content": "Hi"}
CALL = {"type": "function_call", "call_id": "c", "name": "weather", "arguments": '{"city": "Oslo"}'}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "rain"}
PATH = "/v1/responses"
REFUSED = {"type": "json_schema", "name": "s", "schema": {"refuse": 1}}


def post(app, headers=None, **body):
    return app.client.post(PATH, json={"input": "Hi", "seed": 0, **body}, headers=headers)


def answered(app, **body):
    response = post(app, **body)
    assert response.status_code == 200, response.text
    RESPONSE.validate(response.json())
    return response.json()


def events_of(response):
    """The events of a stream, each under its own name; no [DONE]."""
    assert response.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        if not block.startswith(":"):
            name, data = block.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            EVENT.validate(event)
            found.append(event)
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def error_of(response, status=422):
    assert response.status_code == status, response.text
    return response.json()["error"]


def messages(app):
    return app.tokenizer.calls[-1].messages


@pytest.fixture(scope="module")
def own(fakes):
    with fakes.connected() as app:
        yield app


def test_a_stream_is_the_response_in_events(app, fakes):
    whole = answered(app)
    *_, last = events_of(post(app, stream=True))
    assert last["type"] == "response.completed"
    assert last["response"]["output"][0]["content"] == whole["output"][0]["content"]
    assert whole["output"][0]["content"][0]["text"] == fakes.REPLIES[0] and whole["seed"] == 0


def test_what_is_cut_is_incomplete(app):
    response = answered(app, max_output_tokens=3)
    assert response["status"] == "incomplete" and response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events_of(post(app, max_output_tokens=3, stream=True))[-1]["type"] == "response.incomplete"
    assert response["output"][0]["status"] == "incomplete" and response["completed_at"] is None


def test_a_response_repeats_what_was_asked(app):
    given = {
        "instructions": "Be kind.", "max_output_tokens": 50, "temperature": 0.5, "top_p": 0.9, "metadata": {"a": "b"},
        "tools": [{"type": "function", "name": "f"}], "tool_choice": "none", "parallel_tool_calls": False,
        "text": {"format": {"type": "text"}, "verbosity": "low"}, "prompt_cache_key": "k", "user": "u", "store": False,
    }  # fmt: skip
    response = answered(app, **given)
    assert {name: response[name] for name in given} == given
    assert response["reasoning"] == {"effort": None, "summary": None} and response["model"] == "tiny"


def test_instructions_are_a_system_message_and_items_are_messages(own):
    items = [
        {"role": "developer", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
        USER,
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "sum"}],
            "encrypted_content": encrypted("Hm."),
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
        CALL,
        {"type": "custom_tool_call", "call_id": "d", "name": "patch", "input": 'x"y'},
        {**RESULT, "output": [{"type": "input_text", "text": "ra"}, {"type": "input_text", "text": "in"}]},
        {"type": "custom_tool_call_output", "call_id": "d", "output": "ok"},
        {"role": "assistant", "content": "One."},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Go on."},
    ]
    answered(own, instructions="Be kind.", input=items)
    system, developer, _, called, first, second, one, two, last = messages(own)
    assert (system["role"], system["content"]) == ("system", "Be kind.")
    assert (developer["role"], developer["content"]) == ("system", "ab")
    assert (called["content"], called["reasoning_content"]) == ("Let me see.", "Hm.")
    assert [call["id"] for call in called["tool_calls"]] == ["c", "d"]
    assert [call["function"] for call in called["tool_calls"]] == [
        {"name": "weather", "arguments": '{"city": "Oslo"}'},
        {"name": "patch", "arguments": '{"input": "x\\"y"}'},
    ]
    assert [(message["tool_call_id"], message["content"]) for message in (first, second)] == [
        ("c", "rain"),
        ("d", "ok"),
    ]
    assert [message["content"] for message in (one, two, last)] == ["One.", "Two.", "Go on."]


def test_a_response_follows_another_with_all_that_was_said(own, fakes):
    first = answered(own, input="One", instructions="Be kind.")
    second = answered(own, input=[{"role": "user", "content": "Two"}], previous_response_id=first["id"])
    said = [(message["role"], message["content"]) for message in messages(own)]
    assert said == [("user", "One"), ("assistant", fakes.REPLIES[0]), ("user", "Two")]
    assert own.client.delete(f"{PATH}/{first['id']}").json()["deleted"] is True
    assert error_of(own.client.get(f"{PATH}/{first['id']}"), 404)["code"] == "response_not_found"
    assert own.client.get(f"{PATH}/{second['id']}").json() == second
    answered(own, input="Three", previous_response_id=second["id"])
    assert [message["content"] for message in messages(own)][0::2] == ["One", "Two", "Three"]


def test_what_a_response_was_given_is_listed_by_pages(own):
    first = answered(own, input=[USER, {"role": "assistant", "content": "Yes?"}, {**USER, "id": "mine"}])
    second = answered(own, input="More", previous_response_id=first["id"])

    def listed(**query):
        response = own.client.get(f"{PATH}/{second['id']}/input_items", params=query)
        LIST.validate(response.json())
        return response.json()

    everything = listed(order="asc", limit=100)
    texts = [item["content"][0]["text"] for item in everything["data"]]
    assert texts[:3] == ["Hi", "Yes?", "Hi"] and texts[4] == "More" and len(texts) == 5
    assert everything["data"][2]["id"] == "mine" and everything["data"][3] == first["output"][0]
    assert everything["data"][1]["content"][0]["type"] == "output_text" and not everything["has_more"]
    newest = listed(limit=2)
    assert newest["data"] == everything["data"][:-3:-1] and newest["has_more"]
    assert (newest["first_id"], newest["last_id"]) == (newest["data"][0]["id"], newest["data"][1]["id"])
    rest = listed(after=newest["last_id"])
    assert [*newest["data"], *rest["data"]] == everything["data"][::-1] and not rest["has_more"]
    assert error_of(own.client.get(f"{PATH}/{second['id']}/input_items?after=x"), 404)["param"] == "after"


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "101"), ("limit", "x"), ("order", "up")])
def test_a_wrong_parameter_of_a_query_is_named(own, name, value):
    path = f"{PATH}/{answered(own)['id']}/input_items"
    error = error_of(own.client.get(path, params={name: value}))
    assert error["param"] == name and error["message"].startswith(f"{name} must be")


def test_an_item_can_be_given_by_its_id(own, fakes):
    response = answered(own, input=[{**USER, "id": "mine"}])
    references = [{"type": "item_reference", "id": name} for name in ("mine", response["output"][0]["id"])]
    answered(own, input=[*references, {"role": "user", "content": "And?"}])
    assert [message["content"] for message in messages(own)] == ["Hi", fakes.REPLIES[0], "And?"]
    error = error_of(post(own, input=[USER, {"type": "item_reference", "id": "gone"}]), 404)
    assert error["param"] == "input.1.id" and "gone" in error["message"]


@pytest.mark.parametrize("streamed", [False, True])
def test_what_is_not_to_be_stored_is_not(own, streamed):
    response = post(own, store=False, stream=streamed)
    body = events_of(response)[-1]["response"] if streamed else response.json()
    assert body["store"] is False and "x-ignored-parameters" not in response.headers
    assert error_of(own.client.get(f"{PATH}/{body['id']}"), 404)["code"] == "response_not_found"
    assert error_of(post(own, previous_response_id=body["id"]), 404)["param"] == "previous_response_id"
    kept = post(own, stream=streamed)
    body = events_of(kept)[-1]["response"] if streamed else kept.json()
    assert body["store"] is True and own.client.get(f"{PATH}/{body['id']}").json() == body


def test_a_server_that_keeps_nothing_says_so(fakes):
    with fakes.connected(store_bytes=0) as app:
        assert answered(app)["store"] is False
        for path in ("resp_1", "resp_1/input_items"):
            assert "--response-store off" in error_of(app.client.get(f"{PATH}/{path}"), 404)["message"]
        assert "--response-store off" in error_of(app.client.delete(f"{PATH}/resp_1"), 404)["message"]
        error = error_of(post(app, previous_response_id="resp_1"), 404)
        assert error["param"] == "previous_response_id" and "--response-store off" in error["message"]
        assert (
            "--response-store off" in error_of(post(app, input=[{"type": "item_reference", "id": "x"}]), 404)["message"]
        )
        assert post(app, store=True).headers["x-ignored-parameters"] == "store"


def test_where_there_is_no_room_a_response_says_that_it_is_not_kept(fakes):
    with fakes.connected(store_bytes=100) as app:
        assert answered(app)["store"] is False
        assert events_of(post(app, stream=True))[-1]["response"]["store"] is False


def test_no_key_finds_what_belongs_to_another(fakes):
    access = Access(digests(["one", "two"]))
    mine, others = ({"Authorization": f"Bearer {key}"} for key in ("one", "two"))
    with fakes.connected(access=access) as app:
        first = post(app, mine, input=[{**USER, "id": "mine"}]).json()
        path = f"{PATH}/{first['id']}"
        missing = [app.client.get(path, headers=others), app.client.get(f"{path}/input_items", headers=others)]
        missing += [app.client.delete(path, headers=others), post(app, others, previous_response_id=first["id"])]
        missing += [
            post(app, others, input=[{"type": "item_reference", "id": name}])
            for name in ("mine", first["output"][0]["id"])
        ]
        for response in missing:
            error_of(response, 404)
        unknown = app.client.get(f"{PATH}/resp_none", headers=others).json()["message"]
        assert missing[0].json()["message"].replace(first["id"], "resp_none") == unknown
        assert app.client.get(path).status_code == 401
        assert app.client.get(path, headers=mine).json() == first
        assert post(app, mine, previous_response_id=first["id"]).status_code == 200
        assert app.client.delete(path, headers=mine).status_code == 200


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"input": []}, "input", "no items"),
        ({"input": [{"role": "bot", "content": "x"}]}, "input.0.role", "must be one of"),
        ({"input": [USER, {"type": "call"}]}, "input.1.type", '"function_call"'),
        ({"input": [{"type": "function_call_output", "output": "x"}]}, "input.0.call_id", "required"),
        ({"input": "x" * 500, "max_output_tokens": 300}, "input", "maximum context length"),
        ({"max_output_tokens": 399}, "max_output_tokens", "use max_output_tokens of at most"),
        ({"input": [USER, {"role": "user", "content": "refuse"}]}, "input.1.content", "refuses"),
        ({"input": "refuse"}, "input", "refuses"),
        ({"instructions": "refuse"}, "instructions", "refuses"),
        ({"input": [CALL, {**RESULT, "output": "refuse"}]}, "input.1.output", "refuses"),
        ({"input": [{"role": "system", "content": [{"type": "input_image", "image_url": "data:,"}]}]},
         "input.0.content.0", "messages of the user"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:,"}]}]},
         "input.0.content.0", "image"),
        ({"input": [CALL, {**RESULT, "output": [{"type": "input_image", "image_url": "data:,"}]}]},
         "input.1.output.0", "image"),
        ({"tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "f"}]}, "tools.1.name", "names must"),
        ({"tools": [{"type": "web_search"}], "tool_choice": "required"}, "tool_choice", "no tools"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "tool_choice", "no tools"),
        ({"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "function", "name": "g"}},
         "tool_choice.name", "names the function 'g'"),
        ({"tools": [{"type": "function", "name": "f"}], "tool_choice": {
            "type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]}},
         "tool_choice.tools.0.name", "none of tools"),
        ({"text": {"format": REFUSED}}, "text.format.schema", "refuse"),
        ({"model": "nobody"}, "model", "nobody"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_names_the_field_as_it_was_sent(own, body, param, words, stream):
    response = post(own, stream=stream, **body)
    assert response.status_code in (404, 422) and response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert error["param"] == param and words in error["message"], error
    assert "messages." not in error["message"] and "response_format" not in error["message"]


def test_an_error_in_what_is_followed_names_what_is_followed(own, monkeypatch):
    def refuse(messages, **options):
        raise PromptError("messages.0.content is refused", "messages.0.content")

    first = answered(own, input="Hi")
    monkeypatch.setattr(own.tokenizer, "encode_chat", refuse)
    assert error_of(post(own, previous_response_id=first["id"]))["param"] == "previous_response_id"


def test_what_follows_from_nothing_is_named(own):
    named = post(own, input=[RESULT, USER]).headers["x-ignored-parameters"]
    assert named == "input.0.call_id"


def test_a_failure_within_a_stream_is_its_last_event(fakes):
    engine = fakes.Engine(fail_after=5)
    with fakes.connected(engine) as app:
        *events, last = events_of(post(app, stream=True))
        assert last["type"] == "response.failed" and last["response"]["status"] == "failed"
        assert last["response"]["error"]["code"] == "server_error" and "secret" not in json.dumps(last)
        assert events[-1]["type"] == "response.output_text.delta"
        assert error_of(app.client.get(f"{PATH}/{last['response']['id']}"), 404)
        assert error_of(post(app), 500)["type"] == "server_error"
    assert all(generation.closed for generation in engine.generations)


def test_an_error_that_comes_late_is_the_only_event(fakes, monkeypatch):
    monkeypatch.setattr(sse, "FIRST_BYTE_SECONDS", 0.02)
    compiler = fakes.Compiler(delayed=True)
    with fakes.connected(compiler=compiler) as app:
        threading.Timer(0.1, compiler.go.set).start()
        (event,) = events_of(post(app, stream=True, text={"format": REFUSED}))
        assert event["type"] == "error" and event["param"] == "text.format.schema"
        assert event["error"]["param"] == "text.format.schema" and event["message"] == event["error"]["message"]


def test_a_client_without_cached_tokens_is_not_told_of_any(fakes):
    with fakes.connected(report_cached_tokens=False) as app:
        assert "input_tokens_details" not in answered(app)["usage"]


def test_what_is_kept_is_not_streamed_and_says_so(own):
    path = f"{PATH}/{answered(own)['id']}"
    for query in ("", "?stream=false"):
        assert own.client.get(path + query).json()["object"] == "response"
    assert error_of(own.client.get(f"{path}?stream=true"))["param"] == "stream"


def test_more_items_and_tools_than_can_be_used_are_refused(own):
    assert error_of(post(own, input=[USER] * 500))["param"] == "input"
    parts = [{"type": "input_text", "text": ""}] * 500
    assert error_of(post(own, input=[{"role": "user", "content": parts}]))["param"] == "input"
    thoughts = [{"type": "summary_text", "text": ""}] * 500
    assert error_of(post(own, input=[{"type": "reasoning", "summary": thoughts}, USER]))["param"] == "input"
    members = [{"type": "function", "name": f"f{i}"} for i in range(600)]
    spaces = [{"type": "namespace", "name": name, "tools": members} for name in "ab"]
    assert error_of(post(own, tools=spaces))["param"] == "tools"


def test_names_of_namespaces_and_tools_may_both_be_long(own):
    space = {"type": "namespace", "name": "n" * 128, "tools": [{"type": "function", "name": "f" * 128}]}
    assert post(own, tools=[space]).status_code == 200
    shown = own.tokenizer.calls[-1].tools[0]["function"]["name"]
    assert shown == f"{'n' * 128}.{'f' * 128}"


def test_a_client_that_leaves_ends_the_response_and_nothing_is_kept(fakes):
    engine = fakes.Engine(delay=0.01)
    with fakes.served(engine) as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        body = json.dumps({"input": "Hi", "seed": 4, "stream": True}).encode()
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        seen = b""
        while b"response.output_text.delta" not in seen:
            seen += connection.recv(4096)
        identity = re.search(rb'"id":"(resp_[0-9a-f]+)"', seen)[1].decode()
        connection.close()
        fakes.wait_until(lambda: engine.generations[0].closed)
        assert httpx.get(f"{server.url}{PATH}/{identity}").status_code == 404
