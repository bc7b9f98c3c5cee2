"""A small random model that sees and hears, behind the API: from a body with URLs to its answer."""

import base64
import io
import json
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flax import nnx
from PIL import Image
from safetensors.numpy import save_file
from starlette.testclient import TestClient

from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder
from handlers.app import create_app
from handlers.cli.loading import load
from handlers.cli.serve import media_reader
from handlers.service import Service
from handlers.settings import ServeSettings
from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.text.test_shown_media import GEMMA
from tests.handlers.text.test_tokenizer import REAL, save_byte_level

MARKS = {
    "image_token_id": "<|image|>",
    "video_token_id": "<|video|>",
    "audio_token_id": "<|audio|>",
    "boi_token_id": "<|image>",
    "eoi_token_id": "<image|>",
    "boa_token_id": "<|audio>",
    "eoa_token_index": "<audio|>",
}
PICTURE_TOKENS = 64
"""Of a square picture: 8 x 8 patches are the most that 70 leave room for."""


def save_model(folder: Path) -> Path:
    """A checkpoint with a tokenizer of bytes and Gemma 4's own chat template."""
    special = [*GEMMA, "<|audio>", "<audio|>"]
    save_byte_level(folder, REAL["gemma4_v5"], special=special)
    tokenizer = ChatTokenizer(folder)
    text = {
        "vocab_size": tokenizer.vocab_size,
        "hidden_size": 32,
        "intermediate_size": 40,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "global_head_dim": 16,
        "layer_types": ["sliding_attention", "full_attention"],
        "sliding_window": 40,
        "use_bidirectional_attention": "vision",
        "max_position_embeddings": 1024,
    }
    ids = {key: tokenizer.spell(mark)[0].token for key, mark in MARKS.items()}
    vision = {"patch_size": 2, "pooling_kernel_size": 2, "mm_embed_dim": 20}
    config = {"model_type": "gemma4_unified", "text_config": text, "vision_config": vision, **ids}
    (folder / "config.json").write_text(json.dumps(config | {"audio_config": {"audio_embed_dim": 160}}))
    sizes = {"max_soft_tokens": 70}
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": sizes, "video_processor": sizes}))
    decoder = nnx.eval_shape(lambda: Decoder(open_checkpoint(folder).config, rngs=nnx.Rngs(0)))
    random = np.random.default_rng(0)
    stored = [each for parameter in decoder.parameters().values() for each in parameter.source.stored()]
    tensors = {each.name: random.normal(0.5, 0.5, each.shape).astype(np.float32) for each in stored}
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = save_model(tmp_path_factory.mktemp("sees"))
    caches = {"grammar_cache": folder / "grammars", "compilation_cache": folder / "programs"}
    given = ServeSettings(model=str(folder), max_batch_size=1, max_context_length=512, **caches)
    loaded = load(given)
    service = Service(lambda: replace(loaded, reader=media_reader(given, loaded.encoder)), ["sees"])
    with serving(service) as client:
        yield client


@contextmanager
def serving(service: Service) -> Iterator[TestClient]:
    with TestClient(create_app(service), raise_server_exceptions=False) as client:
        while service.loading:
            time.sleep(0.01)
        yield client


def picture(seed: int, size: tuple[int, int] = (40, 40)) -> dict[str, Any]:
    pixels, file = np.random.default_rng(seed).integers(256, size=(*size, 3), dtype=np.uint8), io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def sound(samples: int) -> dict[str, Any]:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 16_000, samples, "NONE", ""))
        written.writeframes(np.random.default_rng(0).integers(-9000, 9000, samples).astype("<i2").tobytes())
    url = f"data:audio/wav;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"type": "audio_url", "audio_url": {"url": url}}


def said(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def ask(client: TestClient, *content: dict[str, Any], before: tuple[dict[str, Any], ...] = (), **fields: Any) -> Any:
    messages = [*before, {"role": "user", "content": list(content)}]
    body = {"messages": messages, "temperature": 0, "max_tokens": 12, **fields}
    return client.post("/v1/chat/completions", json=body)


def answer(client: TestClient, *content: dict[str, Any], **fields: Any) -> Any:
    response = ask(client, *content, **fields)
    assert response.status_code == 200, response.text
    return response.json()


def test_what_a_picture_and_a_sound_take_of_the_context(client: TestClient) -> None:
    texts = [answer(client, *content)["usage"]["prompt_tokens"] for content in ([said("ab")], [said("a"), said("b")])]
    assert texts[0] == texts[1]
    seen = answer(client, said("a"), picture(1), said("b"))["usage"]["prompt_tokens"]
    assert seen == texts[0] + PICTURE_TOKENS + 2
    heard = answer(client, said("a"), sound(1601), said("b"))["usage"]["prompt_tokens"]
    assert heard == texts[0] + 11 + 2


def test_answers_depend_on_what_is_shown_and_on_where(client: TestClient) -> None:
    contents = [
        *[[picture(1), said("what?")], [picture(2), said("what?")], [said("what?"), picture(1)]],
        *[[picture(1), picture(2)], [picture(2), picture(1)], [sound(1600)], [picture(1), sound(1600)]],
    ]
    answers = [answer(client, *content, logprobs=True)["choices"][0]["logprobs"]["content"][0] for content in contents]
    assert len({first["logprob"] for first in answers}) == len(answers)


def test_a_second_turn_finds_the_picture_in_the_cache(client: TestClient) -> None:
    content = [said("look "), picture(7)]
    first = answer(client, *content)
    turn = ({"role": "user", "content": content}, first["choices"][0]["message"])
    second = answer(client, said("and?"), before=turn)
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] < PICTURE_TOKENS
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] > PICTURE_TOKENS
    other = ({"role": "user", "content": [said("look "), picture(8)]}, turn[1])
    third = answer(client, said("and?"), before=other)
    assert third["usage"]["prompt_tokens_details"]["cached_tokens"] < PICTURE_TOKENS


def test_choices_schemas_and_streams_are_as_with_text(client: TestClient) -> None:
    content = [picture(3), said("a number?")]
    chosen = answer(client, *content, n=3, temperature=1, seed=5)["choices"]
    assert [answer(client, *content, temperature=1, seed=5 + i)["choices"][0]["message"] for i in range(3)] == [
        choice["message"] for choice in chosen
    ]
    form = {"type": "regex", "schema": "[0-9]{3}"}
    constrained = answer(client, *content, response_format=form)["choices"][0]
    assert constrained["message"]["content"].isdigit() and constrained["finish_reason"] == "stop"
    lines = ask(client, *content, stream=True).text.split("\n\n")
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text == answer(client, *content)["choices"][0]["message"]["content"]


def test_what_is_too_long_is_told_before_it_is_embedded(client: TestClient) -> None:
    error = ask(client, *[picture(i) for i in range(9)]).json()["error"]
    assert error["code"] == "context_length_exceeded" and "512" in error["message"]


def test_a_placeholder_that_is_typed_shows_nothing(client: TestClient) -> None:
    plain = answer(client, said("<|image|>"))["usage"]["prompt_tokens"]
    assert plain == answer(client, said("x" * len("<|image|>")))["usage"]["prompt_tokens"]
    shown = answer(client, said("<|image|>"), picture(1))["usage"]["prompt_tokens"]
    assert shown == plain + PICTURE_TOKENS + 2
