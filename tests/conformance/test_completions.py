"""Completions as the official clients of Friendli and OpenAI read them, and what they say of a real model."""

import httpx
import openai
import pytest
from friendli import SyncFriendli
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.bodies import ORDINARY, SAMPLING, SEEDS, TEXTS
from tests.conformance.chat import CONTEXT, TIMEOUT, read_error, strict, validator

PROMPT = "user: What is the capital of France?\nassistant: The"
RESULT, CHUNK = validator("ContainerCompletionsSuccess"), validator("CompletionChunk")


class Texts:
    """Completions over raw HTTP, every answer of which is checked against the document."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def post(self, **parameters):
        return self.client.post("/v1/completions", json={"prompt": PROMPT, **parameters})

    def whole(self, **parameters):
        response = self.post(**parameters)
        assert response.status_code == 200, response.text
        answer = strict(response.text)
        RESULT.validate(answer)
        return answer["choices"]

    def folded(self, **parameters):
        """The choices of a stream, put together."""
        response = self.post(**parameters, stream=True)
        assert response.status_code == 200 and response.text.endswith("data: [DONE]\n\n"), response.text
        found = {}
        for event in response.text.split("\n\n"):
            if not event.startswith("data: {"):
                continue
            chunk = strict(event.removeprefix("data: "))
            CHUNK.validate(chunk)
            for part in chunk["choices"]:
                choice = found.setdefault(part["index"], {"text": "", "tokens": [], "seed": part["seed"]})
                choice["text"] += part["text"]
                choice["tokens"] += [part["token"]] * (part["token"] is not None)
                choice["finish_reason"] = part["finish_reason"]
        return [found[index] for index in sorted(found)]


@pytest.fixture(scope="module")
def texts(client):
    return Texts(client)


@pytest.fixture(scope="module")
def openai_client(server):
    with openai.OpenAI(base_url=server.url + "/v1", api_key="unused", max_retries=0, timeout=TIMEOUT) as client:
        yield client


@pytest.fixture(scope="module")
def friendli(server):
    options = {"server_url": server.url, "retries": None, "timeout_ms": TIMEOUT * 1000}
    with SyncFriendli(token="unused", x_friendli_team=None) as client:
        yield lambda **body: client.container.completions.complete(request=body, **options)


def test_friendlis_client_reads_an_answer_and_a_stream(friendli, texts):
    body = {"prompt": PROMPT, "max_tokens": 9, "seed": 3, "n": 2, "logprobs": 1}
    result, raw = friendli(**body), texts.whole(**body)
    assert [choice.text for choice in result.choices] == [choice["text"] for choice in raw]
    assert [choice.tokens for choice in result.choices] == [choice["tokens"] for choice in raw]
    assert [choice.seed for choice in result.choices] == [3, 4] and result.usage.completion_tokens > 2


def test_openais_client_reads_an_answer_and_a_stream(openai_client, texts):
    body = {"model": "tiny", "prompt": [PROMPT, "Hello"], "max_tokens": 9, "seed": 3, "n": 2, "logprobs": 2}
    result, raw = openai_client.completions.create(**body), texts.whole(**body)
    assert result.object == "text_completion" and result.created > 0 and len(raw) == 4
    for choice, expected in zip(result.choices, raw, strict=True):
        assert (choice.text, choice.finish_reason) == (expected["text"], expected["finish_reason"])
        assert choice.logprobs.tokens == expected["logprobs"]["tokens"]
    options = {"include_usage": True}
    chunks = list(openai_client.completions.create(**body, stream=True, stream_options=options))
    assert chunks[-1].choices == [] and chunks[-1].usage == result.usage.model_copy(
        update={"prompt_tokens_details": chunks[-1].usage.prompt_tokens_details}
    )
    for index, choice in enumerate(result.choices):
        parts = [part for chunk in chunks for part in chunk.choices if part.index == index]
        assert "".join(part.text for part in parts) == choice.text
        assert [part.finish_reason for part in parts][-1] == choice.finish_reason
        assert [name for part in parts if part.logprobs for name in part.logprobs.tokens] == choice.logprobs.tokens


def test_an_error_is_in_the_form_that_clients_read(texts, openai_client):
    response = texts.post(suffix="x")
    assert response.status_code == 422 and read_error(response)["param"] == "suffix"
    with pytest.raises(openai.UnprocessableEntityError, match="suffix"):
        openai_client.completions.create(model="tiny", prompt="Hi", suffix="x")


@st.composite
def bodies(draw):
    """A valid body for completions, with a seed, so that it always says the same."""
    body = draw(st.fixed_dictionaries({}, optional=SAMPLING))
    n = body["n"] = draw(st.integers(1, 2))
    body["prompt"] = draw(
        st.sampled_from([PROMPT, "<|im_start|>", "Blåbær 東京"])
        | st.lists(st.sampled_from(["Hi", PROMPT]), min_size=1, max_size=2)
        | st.lists(ORDINARY, min_size=1, max_size=5)
    )
    body["seed"] = draw(SEEDS | st.lists(SEEDS, min_size=n, max_size=n))
    most = body["max_tokens"] = draw(st.integers(1, 10))
    token_lists = st.lists(st.fixed_dictionaries({"tokens": st.lists(ORDINARY, min_size=1, max_size=2)}), max_size=3)
    body |= draw(
        st.fixed_dictionaries(
            {},
            optional={
                "min_tokens": st.integers(0, most),
                "stop": st.lists(st.sampled_from(["e", " ", "🙂"]), max_size=2),
                "stop_tokens": token_lists,
                "bad_words": st.lists(st.sampled_from(["the", " ", "is"]), max_size=2),
                "bad_word_tokens": token_lists,
                "no_repeat_ngram": st.sampled_from([0, 2, 3]),
                "forced_output_tokens": st.lists(ORDINARY, min_size=most, max_size=12),
                "echo": st.booleans(),
            },
        )
    )
    return body


@settings(max_examples=25)
@given(body=bodies())
def test_the_chunks_of_a_stream_of_tokens_are_the_whole_answer(texts, body):
    whole = [
        {name: choice[name] for name in ("text", "tokens", "seed", "finish_reason")} for choice in texts.whole(**body)
    ]
    assert texts.folded(**body) == whole


@settings(max_examples=10)
@given(prompts=st.lists(st.sampled_from(["Hi", PROMPT, "東京", "a b c"]), min_size=2, max_size=3), seed=SEEDS)
def test_every_prompt_of_several_is_answered_as_alone(texts, prompts, seed):
    together = texts.whole(prompt=prompts, n=2, seed=seed, max_tokens=8, temperature=1.2)
    alone = [
        choice
        for prompt in prompts
        for choice in texts.whole(prompt=prompt, n=2, seed=seed, max_tokens=8, temperature=1.2)
    ]
    assert [choice["tokens"] for choice in together] == [choice["tokens"] for choice in alone]


def test_filters_hold_of_what_a_real_model_says(texts, tokenizer):
    (free,) = texts.whole(temperature=0, max_tokens=12, eos_token=[])
    second = free["tokens"][1]
    (choice,) = texts.whole(temperature=0, max_tokens=12, eos_token=[], bad_word_tokens=[{"tokens": [second]}])
    assert choice["tokens"][0] == free["tokens"][0] and second not in choice["tokens"]
    (choice,) = texts.whole(temperature=0, max_tokens=12, eos_token=[], stop_tokens=[{"tokens": free["tokens"][3:5]}])
    assert choice["tokens"] == free["tokens"][:5] and choice["finish_reason"] == "stop"
    assert choice["text"] == tokenizer.decode(free["tokens"][:3])
    (choice,) = texts.whole(max_tokens=60, temperature=2, eos_token=[], no_repeat_ngram=2, seed=1)
    pairs = list(zip(choice["tokens"], choice["tokens"][1:], strict=False))
    assert len(set(pairs)) == len(pairs)
    (choice,) = texts.whole(forced_output_tokens=free["tokens"][::-1], logprobs=0)
    assert choice["tokens"] == free["tokens"][::-1] and choice["finish_reason"] == "stop"
    assert len(choice["logprobs"]["token_logprobs"]) == 12


def test_an_answer_in_a_form_is_behind_the_prompt_as_it_is(texts):
    digits = {"type": "regex", "schema": "[0-9]{3}"}
    for choice in texts.whole(response_format=digits, n=3, seed=0):
        assert len(choice["text"]) == 3 and choice["text"].isdigit() and choice["finish_reason"] == "stop"


def test_friendlis_client_reads_tokens_and_text(server, tokenizer):
    options = {"server_url": server.url, "retries": None, "timeout_ms": TIMEOUT * 1000}
    with SyncFriendli(token="unused", x_friendli_team=None) as client:
        tokens = client.container.token.tokenize(prompt="Hello, 東京!", **options).tokens
        assert tokens == tokenizer.encode("Hello, 東京!", add_special_tokens=False).ids
        assert client.container.token.detokenize(tokens=tokens, **options).text == "Hello, 東京!"


@settings(max_examples=15)
@given(content=TEXTS, seed=SEEDS, temperature=st.sampled_from([0, 1.0]), system=st.booleans())
def test_a_rendered_chat_is_continued_as_the_chat_is_answered(texts, content, seed, temperature, system):
    messages = [{"role": "user", "content": content}]
    if system:
        messages.insert(0, {"role": "system", "content": "Be kind."})
    rendered = texts.client.post("/v1/chat/render", json={"messages": messages}).json()
    drawing = {"seed": seed, "temperature": temperature, "max_tokens": 12}
    chat = texts.client.post("/v1/chat/completions", json={"messages": messages, **drawing}).json()
    (text,) = texts.whole(prompt=rendered["tokens"], **drawing)
    assert text["text"] == chat["choices"][0]["message"]["content"]
    assert texts.whole(prompt=rendered["text"], **drawing)[0]["tokens"] == text["tokens"]


def test_control_tokens_in_a_prompt_are_these_tokens(texts):
    answer = texts.post(prompt="<|im_start|>a<|im_end|>", max_tokens=1).json()
    assert answer["usage"]["prompt_tokens"] == 3
    assert texts.post(prompt="<|im_start|>", max_tokens=1).json()["usage"]["prompt_tokens"] == 1


def test_a_prompt_and_its_completion_may_fill_the_context(texts):
    (choice,) = texts.whole(prompt=[70] * (CONTEXT - 3), eos_token=[])
    assert len(choice["tokens"]) == 3 and choice["finish_reason"] == "length"
