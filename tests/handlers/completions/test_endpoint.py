"""Completions over a fake engine: choices of several prompts, streams of tokens, echo, what ends them, and failures."""

import json

import pytest


@pytest.fixture(scope="module")
def post(app):
    return lambda **parameters: app.client.post("/v1/completions", json={"prompt": "Hi", **parameters})


def choices(response):
    assert response.status_code == 200, response.text
    return response.json()["choices"]


def chunks(response):
    assert response.status_code == 200 and response.text.endswith("data: [DONE]\n\n"), response.text
    events = [event for event in response.text.split("\n\n") if event.startswith("data: {")]
    return [json.loads(event.removeprefix("data: ")) for event in events]


def folded(response):
    """What the chunks of a stream say together, of each choice."""
    found = {}
    for chunk in chunks(response):
        for part in chunk["choices"]:
            choice = found.setdefault(
                part["index"], {"text": "", "tokens": [], "finish_reason": None, "logprobs": None}
            )
            assert choice["finish_reason"] is None
            choice["text"] += part["text"]
            choice["tokens"] += [part["token"]] * (part["token"] is not None)
            choice["finish_reason"] = part["finish_reason"]
            if part["logprobs"]:
                kept = choice["logprobs"] = choice["logprobs"] or {name: [] for name in part["logprobs"]}
                for name, values in part["logprobs"].items():
                    kept[name] += values
    return [found[index] for index in sorted(found)]


@pytest.mark.parametrize(
    "parameters",
    [
        {"n": 3},
        {"prompt": ["a", "bc"], "n": 2, "logprobs": 2, "echo": True},
        {"prompt": [[65], [66, 67]], "seed": 1, "stop": ["på"]},
        {"seed": 2, "stop_tokens": [{"tokens": list(b" STOP")}], "logprobs": 0},
        {"seed": 2, "max_tokens": 4},
        {"seed": 3},
    ],
)
def test_the_chunks_of_a_stream_are_the_whole_answer_token_by_token(post, parameters):
    parameters = {"seed": 0, **parameters}
    whole = choices(post(**parameters))
    stream = folded(post(**parameters, stream=True))
    assert [{name: choice[name] for name in stream[0]} for choice in whole] == stream


def test_each_prompt_is_answered_as_it_is_alone(app, post, fakes):
    together = choices(post(prompt=["a", "b"], n=2, seed=0))
    requests = [generation.request for generation in app.engine.generations[-2:]]
    assert [bytes(request.prompt.tokens) for request in requests] == [b"a", b"b"]
    assert [choice["index"] for choice in together] == [0, 1, 2, 3]
    alone = [choice for prompt in "ab" for choice in choices(post(prompt=prompt, n=2, seed=0))]
    assert [{**choice, "index": 0} for choice in together] == [{**choice, "index": 0} for choice in alone]
    assert [choice["text"] for choice in alone[:2]] == list(fakes.REPLIES[:2])


def test_usage_counts_every_prompt_once_and_all_that_was_drawn(app, post):
    answer = post(prompt=["a", "bc"], n=2, seed=0).json()
    drawn = sum(len(choice["tokens"]) for choice in answer["choices"])
    details = {"cached_tokens": 2 * app.engine.admission.cached_tokens}
    assert answer["usage"] == {
        "prompt_tokens": 3, "completion_tokens": drawn, "total_tokens": 3 + drawn, "prompt_tokens_details": details,
    }  # fmt: skip
    last = chunks(post(prompt=["a", "bc"], n=2, seed=0, stream=True, stream_options={"include_usage": True}))[-1]
    assert last["choices"] == [] and last["usage"] == answer["usage"]


def test_without_a_seed_every_choice_has_its_own(post):
    assert len({choice["seed"] for choice in choices(post(prompt=["a", "b", "c"], n=2))}) == 6


def test_text_ends_before_stop_tokens_and_tokens_have_them(post, fakes):
    (choice,) = choices(post(seed=2, stop_tokens=[{"tokens": list(b"four")}, {"tokens": list(b" STOP")}]))
    assert choice["text"] == "one two three" and bytes(choice["tokens"]) == b"one two three STOP"
    assert choice["finish_reason"] == "stop"


def test_what_is_forced_and_whole_ends_with_stop_what_is_cut_with_length(post, fakes):
    tokens = list(fakes.REPLIES[0].encode()[:5])
    assert choices(post(seed=0, forced_output_tokens=tokens))[0]["finish_reason"] == "stop"
    assert choices(post(seed=0, forced_output_tokens=tokens, max_tokens=4))[0]["finish_reason"] == "length"
    last = chunks(post(seed=0, forced_output_tokens=tokens, stream=True))[-1]
    assert last["choices"][0]["finish_reason"] == "stop"


def test_log_probabilities_stand_side_by_side_for_every_token(post):
    (choice,) = choices(post(seed=1, logprobs=1, max_tokens=4))
    assert choice["logprobs"] == {
        "text_offset": [0, 1, 2, 2],
        "tokens": ["B", "l", "bytes:\\xc3", "bytes:\\xa5"],
        "token_logprobs": [-0.5] * 4,
        "top_logprobs": [
            {"\0": -1.0, "B": -0.5}, {"\0": -1.0, "l": -0.5}, {"\0": -1.0, "bytes:\\xc3": -0.5},
            {"\0": -1.0, "bytes:\\xa5": -0.5},
        ],
    }  # fmt: skip
    (choice,) = choices(post(seed=3, logprobs=0))
    assert choice["logprobs"]["tokens"] == ["<|256|>"] and choice["text"] == "", "an end token has no text, and a place"


def test_echo_gives_the_prompt_before_the_text(post, fakes):
    assert [choice["text"] for choice in choices(post(prompt=["a ", "b"], seed=0, echo=True))] == [
        "a " + fakes.REPLIES[0], "b" + fakes.REPLIES[0],
    ]  # fmt: skip
    first = chunks(post(prompt=list(b"ab"), seed=0, echo=True, stream=True))[0]["choices"][0]
    assert first["text"] == "ab" and first["token"] is None


def test_with_echo_log_probabilities_are_of_the_prompt_too(post):
    (choice,) = choices(post(prompt="Hi!", seed=0, echo=True, logprobs=1, max_tokens=2))
    assert choice["text"] == "Hi!He" and choice["tokens"] == list(b"He")
    assert choice["logprobs"] == {
        "text_offset": [0, 1, 2, 3, 4],
        "token_logprobs": [None, -9.0, -8.5, -9999.0, -0.5],
        "tokens": ["H", "i", "!", "H", "e"],
        "top_logprobs": [
            None, {"\0": -1.0, "i": -9.0}, {"\0": -1.0, "!": -8.5}, {"\0": -1.0, "H": -9999.0}, {"\0": -1.0, "e": -0.5},
        ],
    }  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
def test_echo_without_an_answer_scores_the_prompts_and_draws_nothing(post, stream):
    body = {"prompt": [list(b"ab"), list(b"c")], "n": 2, "echo": True, "max_tokens": 0, "logprobs": 0, "stream": stream}
    response = post(**body)
    found = folded(response) if stream else choices(response)
    assert [choice["text"] for choice in found] == ["ab", "ab", "c", "c"]
    assert all(choice["tokens"] == [] and choice["finish_reason"] == "length" for choice in found)
    assert [choice["logprobs"]["token_logprobs"] for choice in found] == [[None, -9.0]] * 2 + [[None]] * 2
    if not stream:
        assert response.json()["usage"]["completion_tokens"] == 0


def test_nothing_is_scored_where_it_is_not_asked_for(app, post):
    for parameters in ({"echo": True}, {"logprobs": 2}, {"echo": False, "logprobs": 0}):
        post(**parameters)
        assert not app.engine.generations[-1].request.prompt_logprobs


def test_bad_words_are_banned_as_they_are_and_behind_a_space(app, post):
    post(bad_words=["ab"], bad_word_tokens=[{"tokens": [1, 2]}, {"tokens": [1, 2]}])
    assert app.engine.generations[-1].request.sampling.banned == (tuple(b"ab"), tuple(b" ab"), (1, 2))


def test_a_full_queue_refuses_all_prompts_of_a_request(fakes):
    class Engine(fakes.Engine):
        def submit(self, request):
            self.full = len(self.generations) == 2
            return super().submit(request)

    with fakes.connected(Engine()) as app:
        response = app.client.post("/v1/completions", json={"prompt": ["a", "b", "c"]})
        assert response.status_code == 429 and response.headers["retry-after"] == "7"
        assert len(app.engine.generations) == 2 and all(generation.closed for generation in app.engine.generations)


def test_a_failure_of_one_prompt_is_that_of_the_request(fakes):
    engine = fakes.Engine(fail_after=4)
    with fakes.connected(engine) as app:
        body = {"prompt": ["a", "b"], "seed": 0}
        assert app.client.post("/v1/completions", json=body).status_code == 500
        stream = app.client.post("/v1/completions", json={**body, "stream": True})
        assert stream.status_code == 200 and "[DONE]" not in stream.text and '"error"' in stream.text
        assert all(generation.closed for generation in engine.generations)


def test_a_grammar_is_of_the_answer_and_its_notes_are_named(fakes):
    with fakes.connected() as app:
        schema = {"type": "json_schema", "json_schema": {"schema": {"title": "unknown"}}}
        body = {"prompt": ["a", "b"], "seed": 3, "response_format": schema}
        response = app.client.post("/v1/completions", json=body)
        assert response.status_code == 200 and "uniqueItems" in response.headers["x-ignored-parameters"]
        assert len(app.compiler.constraints) == 1, "one for all prompts"
        schema["json_schema"]["schema"] = {"title": "refuse"}
        response = app.client.post("/v1/completions", json={**body, "response_format": schema})
        assert response.status_code == 422
        assert response.json()["error"]["param"].startswith("response_format.json_schema.schema")


def test_a_request_with_several_prompts_counts_once_with_all_its_choices(fakes):
    with fakes.connected() as app:
        app.client.post("/v1/completions", json={"prompt": ["a", "bc"], "n": 2, "seed": 0})
        value = app.service.metrics.registry.get_sample_value
        assert value("friendli_requests_total") == value("friendli_responses_total") == 1
        assert value("friendli_items_total") == 4 and value("friendli_input_lengths_count") == 2
