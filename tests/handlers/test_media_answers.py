"""Small random models that see and hear, behind the API: from a body with URLs to its answer."""

import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from backend.engine.media import MediaEncoder
from backend.media import Picture
from backend.models.checkpoint import open_checkpoint
from backend.models.weights import load as load_weights
from handlers.app import create_app
from handlers.cli.loading import load
from handlers.cli.serve import media_reader
from handlers.service import Service
from handlers.settings import ServeSettings
from tests.backend.engine.adapters import merged
from tests.backend.models.adapters.writing import write_adapter
from tests.media_models import FAMILIES, PICTURE_TOKENS, film, picture, png, said, save_model, sound
from tests.parity.test_media import Eager, whole_logits


@pytest.fixture(scope="module", params=FAMILIES)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server of a family, `.family`."""
    with server(request.param, tmp_path_factory.mktemp("sees")) as client:
        yield client


@contextmanager
def server(family: str, folder: Path, **settings: Any) -> Iterator[TestClient]:
    save_model(family, folder)
    caches = {"grammar_cache": folder / "grammars", "compilation_cache": folder / "programs"}
    given = ServeSettings(model=str(folder), max_batch_size=4, max_context_length=1024, **caches, **settings)
    loaded = load(given)
    service = Service(lambda: replace(loaded, reader=media_reader(given, loaded.encoder)), ["sees"])
    with serving(service) as client:
        client.family = FAMILIES[family]
        yield client


@contextmanager
def serving(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        while service.loading:
            time.sleep(0.01)
        yield client


def ask(client: TestClient, *content: dict[str, Any], before: tuple[dict[str, Any], ...] = (), **fields: Any) -> Any:
    messages = [*before, {"role": "user", "content": list(content)}]
    body = {"messages": messages, "temperature": 0, "max_tokens": 12, **fields}
    return client.post("/v1/chat/completions", json=body)


def answer(client: TestClient, *content: dict[str, Any], **fields: Any) -> Any:
    response = ask(client, *content, **fields)
    assert response.status_code == 200, response.text
    return response.json()


def of_its_modalities(client: TestClient, contents: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Those without a part that the model lacks."""
    kinds = {"text", *(f"{modality}_url" for modality in client.family.modalities)}
    return [content for content in contents if {part["type"] for part in content} <= kinds]


def test_what_media_take_of_the_context(client: TestClient) -> None:
    texts = [answer(client, *content)["usage"]["prompt_tokens"] for content in ([said("ab")], [said("a"), said("b")])]
    assert texts[0] == texts[1]
    seen = answer(client, said("a"), picture(1), said("b"))["usage"]["prompt_tokens"]
    assert seen == texts[0] + PICTURE_TOKENS + 2
    for content in of_its_modalities(client, [[said("a"), sound(1601), said("b")]]):
        assert answer(client, *content)["usage"]["prompt_tokens"] == texts[0] + 11 + 2


def test_answers_depend_on_what_is_shown_and_on_where(client: TestClient) -> None:
    contents = [
        *[[picture(1), said("what?")], [picture(2), said("what?")], [said("what?"), picture(1)]],
        *[[picture(1), picture(2)], [picture(2), picture(1)], [picture(1), said("what?"), picture(1)]],
        *[[film()], [picture(1), film()], [sound(1600)], [picture(1), sound(1600)]],
    ]
    contents = of_its_modalities(client, contents)
    answers = [answer(client, *content, logprobs=True)["choices"][0]["logprobs"]["content"][0] for content in contents]
    assert len({first["logprob"] for first in answers}) == len(answers)


def test_a_second_turn_finds_the_picture_in_the_cache_and_not_another_of_its_size(client: TestClient) -> None:
    content = [said("look "), picture(7), said("well" * 40)]
    first = answer(client, *content)
    turn = ({"role": "user", "content": content}, first["choices"][0]["message"])
    second = answer(client, said("and?"), before=turn)
    other = ({"role": "user", "content": [content[0], picture(8), content[2]]}, turn[1])
    third = answer(client, said("and?"), before=other)
    moved = ({"role": "user", "content": [picture(7), content[0], content[2]]}, turn[1])
    fourth = answer(client, said("and?"), before=moved)
    found = [each["usage"]["prompt_tokens_details"]["cached_tokens"] for each in (first, second, third, fourth)]
    assert found[1] > 2 * PICTURE_TOKENS
    assert all(cached < PICTURE_TOKENS for cached in (found[0], *found[2:]))


FUNCTION = {
    "name": "paint",
    "parameters": {"type": "object", "properties": {"size": {"enum": [1, 22, 333]}}, "required": ["size"]},
}


def test_choices_schemas_calls_and_streams_are_as_with_text(client: TestClient) -> None:
    content = [picture(3), said("a number?")]
    chosen = answer(client, *content, n=3, temperature=1, seed=5)["choices"]
    assert [answer(client, *content, temperature=1, seed=5 + i)["choices"][0]["message"] for i in range(3)] == [
        choice["message"] for choice in chosen
    ]
    form = {"type": "regex", "schema": "[0-9]{3}"}
    constrained = answer(client, *content, response_format=form)["choices"][0]
    assert constrained["message"]["content"].isdigit() and constrained["finish_reason"] == "stop"
    tools = [{"type": "function", "function": FUNCTION}]
    called = answer(client, *content, tools=tools, tool_choice="required", parallel_tool_calls=False, max_tokens=200)[
        "choices"
    ][0]
    assert called["finish_reason"] == "tool_calls", called
    (call,) = called["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"])["size"] in (1, 22, 333)
    assert streamed(client, *content) == answer(client, *content)["choices"][0]["message"]["content"]


def test_reasoning_behind_a_picture_keeps_to_its_budget(client: TestClient) -> None:
    wanted = {"chat_template_kwargs": {"enable_thinking": True}, "parse_reasoning": True, "max_tokens": 60}
    response = ask(client, picture(3), reasoning_budget=5, **wanted)
    if "reasoning_budget" in response.headers.get("x-ignored-parameters", ""):
        assert client.family is FAMILIES["qwen3_vl"]  # which does not reason
    else:
        assert response.json()["usage"]["completion_tokens_details"]["reasoning_tokens"] <= 5


def streamed(client: TestClient, *content: dict[str, Any], **fields: Any) -> str:
    """The content of an answer, of its stream."""
    lines = ask(client, *content, stream=True, **fields).text.split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def crowd(client: TestClient, count: int, temperature: float) -> None:
    """Requests with media and without, all at once, have the answers that each has by itself."""
    shown: list[list[dict[str, Any]]] = of_its_modalities(
        client,
        [
            *[[picture(1), said("what?")], [said("a text")], [picture(2), picture(1)], [film()], [sound(1600)]],
            *[[said("so"), picture(3, (16, 48)), said("and"), picture(4)], [picture(1), sound(900, 1)]],
        ],
    )
    form = {"type": "regex", "schema": "[a-z]{2,9}"}

    def get(i: int) -> str:
        content = [*shown[i % len(shown)], said(f"{i % 40}")]
        fields = {"temperature": temperature, "seed": i, "max_tokens": 6 + i % 20}
        fields |= {"response_format": form} if i % 5 == 4 else {}
        if i % 3 == 2:
            return streamed(client, *content, **fields)
        return str(answer(client, *content, **fields)["choices"][0]["message"]["content"])

    with ThreadPoolExecutor(count) as pool:
        together = list(pool.map(get, range(count)))
    assert together == [get(i) for i in range(count)]
    assert len(set(together)) > count // 2


def test_a_crowd_with_media_and_without_changes_no_answer(client: TestClient) -> None:
    crowd(client, 12, temperature=0)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_crowd_of_two_hundred_changes_no_answer(family: str, tmp_path: Path) -> None:
    with server(family, tmp_path, deterministic=True) as client:
        crowd(client, 200, temperature=1)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_change_answers_about_pictures_as_in_their_weights(family: str, tmp_path: Path) -> None:
    """Beside the model itself, whose prompts they do not share."""
    plain = load_weights(open_checkpoint(save_model(family, tmp_path / "plain")), jnp.float32)
    folder = write_adapter(tmp_path / "loud", plain, 4, ("q_proj", "down_proj"), seed=1)
    given = {"adapter": [f"loud={folder}"], "max_adapters": 1, "max_adapter_rank": 4, "deterministic": True}
    contents = [[picture(1), said("what?")], [picture(2), said("what?")], [said("what?")]]
    with server(family, tmp_path, **given) as client:

        def first(model: str, content: list[dict[str, Any]]) -> tuple[float, int]:
            found = answer(client, *content, model=model, logprobs=True)
            cached = found["usage"]["prompt_tokens_details"]["cached_tokens"]
            return found["choices"][0]["logprobs"]["content"][0]["logprob"], cached

        asked = [(model, content) for model in ("sees", "loud") for content in contents]
        with ThreadPoolExecutor(len(asked)) as pool:
            together = list(pool.map(lambda each: first(*each), asked))
        alone = [first(*each) for each in asked]
        bodies = [{"messages": [{"role": "user", "content": content}]} for content in contents]
        prompts = [client.post("/v1/chat/render", json=body).json()["tokens"] for body in bodies]
    assert [logprob for logprob, _ in together] == [logprob for logprob, _ in alone]
    assert all(cached == 0 for _, cached in together)
    for decoder, found in ((plain, alone[:3]), (merged(plain, folder), alone[3:])):
        encoder = MediaEncoder(Eager(decoder), decoder.config.media)
        for i, (tokens, (logprob, _)) in enumerate(zip(prompts, found, strict=True)):
            pixels = np.asarray(Image.open(io.BytesIO(png(i + 1))))
            prompt = encoder.prompt(tokens, [encoder.encode(Picture(pixels, f"{i}"))] if i < 2 else [])
            last = whole_logits(decoder, prompt)[-1]
            assert logprob == pytest.approx(float(jax.nn.log_softmax(last).max()), abs=1e-3)


def test_what_is_too_long_is_told_before_it_is_embedded(client: TestClient) -> None:
    error = ask(client, *[picture(i) for i in range(17)]).json()["error"]
    assert error["code"] == "context_length_exceeded" and "1024" in error["message"]


def test_a_placeholder_that_is_typed_shows_nothing(client: TestClient) -> None:
    mark = client.family.image
    plain = answer(client, said(mark))["usage"]["prompt_tokens"]
    assert plain == answer(client, said("x" * len(mark)))["usage"]["prompt_tokens"]
    shown = answer(client, said(mark), picture(1), said(mark))["usage"]["prompt_tokens"]
    assert shown == plain + PICTURE_TOKENS + 2 + len(mark)


def test_what_stands_for_media_is_no_prompt_of_a_completion(client: TestClient) -> None:
    mark, content = client.family.image, [said("What is it?"), picture(1)]
    rendered = client.post("/v1/chat/render", json={"messages": [{"role": "user", "content": content}]}).json()
    for prompt in (rendered["tokens"], f"a {mark}"):
        harmless = [5] if isinstance(prompt, list) else "a"
        for given, param in ((prompt, "prompt"), ([harmless, prompt], "prompt.1")):
            response = client.post("/v1/completions", json={"prompt": given, "max_tokens": 4})
            error = response.json()["error"]
            assert response.status_code == 422 and error["param"] == param, error
            assert repr(mark) in error["message"] and "image inputs" in error["message"]
