"""What is asked of responses beside making them: how many tokens one would read, and that one be cancelled."""

import pytest

from handlers.http.access import Access, digests

USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
TALK = [USER, {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "And of Italy?"}]
COUNT = "/v1/responses/input_tokens"
FOLLOWED = "the one that is followed"
BODIES = [
    {"input": "Hi"},
    {"input": TALK},
    {"input": "Hi", "instructions": "Answer in one word, please."},
    {"input": "Hi", "tools": [TOOL]},
    {"input": "Hi", "tools": [TOOL], "tool_choice": "none"},
    {"input": "Hi", "previous_response_id": FOLLOWED},
    {"input": [{"type": "item_reference", "id": FOLLOWED}, USER]},
    {"input": "Hi", "reasoning": {"effort": "low"}, "text": {"format": {"type": "json_object"}}},
]


@pytest.mark.parametrize("body", BODIES)
def test_as_many_are_counted_as_a_response_reads_and_none_is_made(app, body):
    earlier = app.client.post("/v1/responses", json={"input": "What is the capital of France?", "seed": 0}).json()
    if "previous_response_id" in body:
        body = {**body, "previous_response_id": earlier["id"]}
    if isinstance(body["input"], list) and body["input"][0].get("id"):
        body = {**body, "input": [{**body["input"][0], "id": earlier["output"][0]["id"]}, *body["input"][1:]]}
    before = len(app.engine.generations)
    counted = app.client.post(COUNT, json=body)
    assert counted.status_code == 200, counted.text
    assert len(app.engine.generations) == before
    made = app.client.post("/v1/responses", json={**body, "seed": 0}).json()
    assert counted.json() == {"object": "response.input_tokens", "input_tokens": made["usage"]["input_tokens"]}


def test_what_says_nothing_of_the_prompt_is_named(app):
    body = {"input": "Hi", "temperature": 0.5, "max_output_tokens": 5, "store": True, "stream": False, "unheard": 1}
    named = app.client.post(COUNT, json=body).headers["x-ignored-parameters"].split(",")
    assert {"unheard", "temperature", "max_output_tokens"} <= set(named) and not {"input", "model"} & set(named)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [({}, 422, "input"), ({"input": []}, 422, "input"), ({"input": 5}, 422, "input"),
     ({"input": "Hi", "model": "other"}, 404, "model"),
     ({"input": "Hi", "previous_response_id": "resp_x"}, 404, "previous_response_id"),
     ({"input": "x" * 5000}, 422, "input"), ({"input": "refuse"}, 422, "input"),
     ({"input": "Hi", "tool_choice": {"type": "function", "name": "none"}}, 422, "tool_choice")],
)  # fmt: skip
def test_what_no_response_can_be_made_of_is_refused_as_it_would_be(app, body, status, param):
    counted, made = app.client.post(COUNT, json=body), app.client.post("/v1/responses", json=body)
    assert (counted.status_code, counted.json()["error"]["param"]) == (status, param)
    assert counted.json() == made.json()


def test_a_response_has_ended_and_cannot_be_cancelled(app):
    kept = app.client.post("/v1/responses", json={"input": "Hi", "seed": 0}).json()["id"]
    refused = app.client.post(f"/v1/responses/{kept}/cancel")
    assert refused.status_code == 400 and refused.json()["message"].startswith("Cannot cancel a synchronous response")
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert app.client.get(f"/v1/responses/{kept}").json()["status"] == "completed"
    assert app.client.post("/v1/responses", json={"input": "Hi", "background": True}).status_code == 422
    missing = app.client.post("/v1/responses/resp_x/cancel")
    assert missing.status_code == 404 and missing.json()["error"]["code"] == "response_not_found"


def test_responses_of_another_key_are_not_there(fakes):
    with fakes.connected(access=Access(digests(["a", "b"]))) as app:
        mine, other = ({"Authorization": f"Bearer {key}"} for key in "ab")
        kept = app.client.post("/v1/responses", json={"input": "Hi"}, headers=mine).json()["id"]
        assert app.client.post(f"/v1/responses/{kept}/cancel", headers=mine).status_code == 400
        assert app.client.post(f"/v1/responses/{kept}/cancel", headers=other).status_code == 404
        body = {"input": "Hi", "previous_response_id": kept}
        assert app.client.post(COUNT, json=body, headers=other).status_code == 404
