"""A chat over HTTP, with a fake model: parameters in, answers out, streamed or whole."""

import json
import re

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.spec import load_document

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "Hi"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "default": None}}}
# Every parameter but `messages`, with values of which most are right and some are refused.
PARAMETERS = {
    "model": st.sampled_from(["tiny", "org/tiny", "", "nobody"]),
    "chat_template_kwargs": st.dictionaries(st.text(max_size=5), st.booleans(), max_size=2),
    "eos_token": st.lists(st.integers(0, 300), max_size=3),
    "frequency_penalty": st.floats(-2, 2),
    "presence_penalty": st.floats(-2, 2),
    "repetition_penalty": st.floats(0.1, 2),
    "logit_bias": st.dictionaries(st.integers(0, 300).map(str), st.floats(-100, 100), max_size=2),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 21),
    "max_tokens": st.integers(0, 450),
    "max_completion_tokens": st.integers(0, 450),
    "min_tokens": st.integers(0, 9),
    "min_p": st.floats(0, 1),
    "n": st.integers(1, 17),
    "parallel_tool_calls": st.booleans(),
    "reasoning_effort": st.sampled_from(["low", "high"]),
    "reasoning_budget": st.integers(-2, 9),
    "seed": st.integers(-(2**63), 2**64 - 1) | st.lists(st.integers(-9, 2**64 - 1), max_size=3),
    "stop": st.lists(st.sampled_from(["STOP", "o", "東", ", how are"]), max_size=3),
    "stream": st.booleans(),
    "stream_options": st.fixed_dictionaries({}, optional={"include_usage": st.none() | st.booleans()}),
    "parse_reasoning": st.booleans(),
    "include_reasoning": st.booleans(),
    "temperature": st.floats(0, 3),
    "top_k": st.integers(-1, 270),
    "top_p": st.floats(0.1, 1),
    "xtc_threshold": st.floats(0, 1),
    "xtc_probability": st.floats(0, 1),
    "tools": st.sampled_from([[], [TOOL]]),
    "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
}
NEEDS = {"top_logprobs": "logprobs", "stream_options": "stream"}
CLASHES = {"max_completion_tokens": "max_tokens", "min_tokens": "tools", "response_format": "min_tokens"}


def consistent(body):
    """The body without the parameters that others of it rule out."""
    dropped = {key for key, other in NEEDS.items() if not body.get(other)}
    return {key: value for key, value in body.items() if key not in dropped and CLASHES.get(key) not in body}


ANY_BODIES = st.fixed_dictionaries({"messages": st.just([USER])}, optional=PARAMETERS)
BODIES = ANY_BODIES | ANY_BODIES.map(consistent)


@pytest.fixture(scope="module")
def validators():
    components = load_document()["components"]
    names = ("ChatResult", "ChatCompletionChunk", "Error")
    return {
        n: jsonschema_rs.Draft202012Validator({**components["schemas"][n], "components": components}) for n in names
    }


@pytest.fixture(scope="module")
def send(app):
    return lambda body: app.client.post(PATH, json=body)


def events_of(response):
    """The data of each event; checks the framing."""
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.endswith("data: [DONE]\n\n")
    lines = response.text.removesuffix("\n\n").split("\n\n")
    assert all(re.fullmatch(r"data: [^\n]*", line) for line in lines)
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


def without_identity(answer):
    return {key: value for key, value in answer.items() if key not in ("id", "created")}


@given(body=BODIES)
def test_any_body_gets_a_valid_answer_or_a_documented_error(send, validators, body):
    response = send(body)
    if response.status_code != 200:
        assert response.status_code in (404, 422), response.text
        validators["Error"].validate(response.json())
    elif body.get("stream"):
        for event in events_of(response):
            validators["ChatCompletionChunk"].validate(event)
    else:
        validators["ChatResult"].validate(response.json())


@given(body=BODIES, nulls=st.sets(st.sampled_from(sorted(PARAMETERS.keys() - {"seed"}))))
def test_null_is_absence(send, body, nulls):
    body = {"seed": 5, **{key: value for key, value in body.items() if key not in nulls}}
    absent, null = send(body), send({**body, **dict.fromkeys(nulls)})
    assert absent.status_code == null.status_code
    if body.get("stream") and absent.status_code == 200:
        assert [without_identity(e) for e in events_of(absent)] == [without_identity(e) for e in events_of(null)]
    else:
        assert without_identity(absent.json()) == without_identity(null.json())


@given(body=BODIES)
def test_the_stream_says_what_the_whole_answer_says(send, body):
    body = {"seed": 5, **body, "stream": False}
    body.pop("stream_options", None)
    whole = send(body)
    stream = send({**body, "stream": True, "stream_options": {"include_usage": True}})
    assert stream.status_code == whole.status_code
    if whole.status_code != 200:
        assert stream.json() == whole.json()
        return
    *chunks, last = events_of(stream)
    assert (last["choices"], last["usage"]) == ([], whole.json()["usage"])
    for choice in whole.json()["choices"]:
        own = [c for chunk in chunks for c in chunk["choices"] if c["index"] == choice["index"]]
        assert "".join(c["delta"].get("content", "") for c in own) == choice["message"]["content"]
        assert own[-1]["finish_reason"] == choice["finish_reason"]
        entries = [entry for c in own if c["logprobs"] for entry in c["logprobs"]["content"]]
        assert entries == (choice["logprobs"] or {"content": []})["content"]


@given(seeds=st.lists(st.integers(0, 99), min_size=2, max_size=4), max_tokens=st.integers(1, 30))
def test_listed_seeds_give_what_single_requests_with_each_give(post, seeds, max_tokens):
    together = post(n=len(seeds), seed=seeds, max_tokens=max_tokens).json()
    for choice, seed in zip(together["choices"], seeds, strict=True):
        (alone,) = post(seed=seed, max_tokens=max_tokens).json()["choices"]
        assert choice == alone | {"index": choice["index"]}


@given(seed=st.integers(-(2**63), 2**64 - 1))
def test_a_given_seed_is_returned_as_given(post, seed):
    assert post(seed=seed).json()["choices"][0]["seed"] == seed


def test_the_answer_has_the_fields_that_clients_read(post):
    answer = post(seed=0).json()
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{32}", answer["id"]) and answer["object"] == "chat.completion"
    assert answer["model"] == "tiny" and isinstance(answer["created"], int)
    assert answer["choices"] == [{
        "index": 0, "message": {"role": "assistant", "content": "Hello, how are you?"},
        "finish_reason": "stop", "logprobs": None, "seed": 0,
    }]  # fmt: skip
    assert answer["usage"]["completion_tokens"] == len("Hello, how are you?") + 1  # the end token is counted


def test_log_probabilities_are_finite_and_always_have_their_alternatives(post):
    content = post(seed=0, max_tokens=3, logprobs=True).json()["choices"][0]["logprobs"]["content"]
    assert content == [
        {"token": "H", "logprob": -9999.0, "bytes": [72], "top_logprobs": []},
        {"token": "e", "logprob": -0.5, "bytes": [101], "top_logprobs": []},
        {"token": "l", "logprob": -0.5, "bytes": [108], "top_logprobs": []},
    ]
    content = post(seed=0, max_tokens=3, logprobs=True, top_logprobs=2).json()["choices"][0]["logprobs"]["content"]
    assert [len(entry["top_logprobs"]) for entry in content] == [2, 2, 2]


def test_an_end_token_has_no_text_and_no_entry_and_is_counted_whatever_token_it_is(post):
    answer = post(seed=0, eos_token=[ord("o")], logprobs=True).json()
    (choice,) = answer["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hell", "stop")
    assert len(choice["logprobs"]["content"]) == 4 and answer["usage"]["completion_tokens"] == 5


def test_accept_is_never_negotiated(app):
    for accept in ("application/json;q=1, text/event-stream;q=0", "text/event-stream", "image/png", ""):
        for stream, kind in ((True, "text/event-stream"), (False, "application/json")):
            response = app.client.post(PATH, json={"messages": [USER], "stream": stream}, headers={"accept": accept})
            assert response.status_code == 200 and response.headers["content-type"].startswith(kind)


def test_an_answer_without_text_still_has_a_role_and_an_empty_content(post):
    assert post(seed=3).json()["choices"][0]["message"] == {"role": "assistant", "content": ""}
    first, last = events_of(post(seed=3, stream=True))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert (last["choices"][0]["delta"], last["choices"][0]["finish_reason"]) == ({}, "stop")


def test_a_failure_in_the_stream_is_an_error_event_without_done_and_without_usage(fakes, validators):
    with fakes.connected(fakes.Engine(fail_after=3)) as app:
        options = {"stream": True, "stream_options": {"include_usage": True}, "seed": 0}
        response = app.client.post(PATH, json={"messages": [USER], **options})
    *chunks, error, end = response.text.split("\n\n")
    assert response.status_code == 200 and len(chunks) == 3 and end == "" and "secret" not in response.text
    validators["Error"].validate(json.loads(error.removeprefix("data: ")))
    assert app.engine.generations[0].closed


def test_every_generation_is_closed_once_answered(fakes):
    with fakes.connected() as app:
        for parameters in ({}, {"stream": True}, {"n": 3, "stop": ["o"]}, {"n": 3, "stop": ["o"], "stream": True}):
            assert app.client.post(PATH, json={"messages": [USER], **parameters}).status_code == 200
        assert len(app.engine.generations) == 4 and all(generation.closed for generation in app.engine.generations)


@pytest.mark.parametrize(
    ("parameters", "tools"),
    [({"tools": [TOOL]}, [TOOL]), ({"tools": [TOOL], "tool_choice": "auto"}, [TOOL]),
     ({"tools": [TOOL], "tool_choice": "none"}, None), ({"tools": []}, None), ({}, None)],
)  # fmt: skip
def test_tools_reach_the_template_as_given_unless_the_choice_is_none(app, post, parameters, tools):
    assert post(**parameters).status_code == 200
    assert app.tokenizer.calls[-1].tools == tools


def test_messages_reach_the_template_without_nulls_and_unknown_fields_but_with_content(app, post):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {**USER, "name": None, "cache": 1},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning": "r", "reasoning_content": None},
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
    ]
    assert post(messages=messages, chat_template_kwargs={"a": None}, reasoning_effort="low").status_code == 200
    seen = app.tokenizer.calls[-1]
    assert seen.messages == [
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning": "r"},
        messages[2],
    ]
    assert (seen.kwargs, seen.effort) == ({"a": None}, "low")


@pytest.mark.parametrize("stream", [False, True])
def test_how_much_of_a_prompt_was_cached_is_told_unless_the_server_does_not_report_it(fakes, stream):
    body = {
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": stream,
        "stream_options": {"include_usage": True},
    }
    for report in (True, False):
        with fakes.connected(report_cached_tokens=report) as app:
            answer = app.client.post("/v1/chat/completions", json=body)
        assert answer.status_code == 200 and '"prompt_tokens"' in answer.text
        assert ('"cached_tokens"' in answer.text) is report
