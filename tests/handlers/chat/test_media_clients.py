"""Parts of every kind as the clients' own types have them: what a model is given of each."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import anthropic
import httpx
import numpy as np
import openai
import pytest
from friendli import SyncFriendli
from friendli.core import models

from backend import Film, Picture, Sound
from tests.handlers.chat.seeing import FILM, NAMES, PNG, WAV, audio, encoded, image, model, url, video
from tests.handlers.media.networks import Network, response

PICTURE, CLIP, TONE = url(PNG, "image/png"), url(FILM, "video/x-matroska"), url(WAV, "audio/wav")
HEARD = {"data": encoded(WAV), "format": "wav"}
TEXT = {"type": "text", "text": "Hi"}


@pytest.fixture(scope="module")
def server(fakes: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A server on a port; `.encoder` notes what it is given, `.network` is all there is of the internet."""
    network = Network(NAMES)
    loaded, encoder = model(fakes, network, tmp_path_factory.mktemp("media"))
    with fakes.served(load=lambda: loaded) as server:
        fakes.wait_until(lambda: server.service.status == "ready")
        server.encoder, server.network = encoder, network
        yield server


@pytest.fixture(scope="module")
def chat(server: SimpleNamespace) -> Iterator[Callable[..., Any]]:
    """OpenAI's client."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        yield lambda *parts, **fields: client.chat.completions.create(
            model="tiny", messages=[{"role": "user", "content": list(parts)}], max_tokens=3, seed=0, **fields
        )


def given(server: SimpleNamespace) -> list[Any]:
    """The media of the last request."""
    return server.encoder.given[-1][1]


def is_picture(medium: Any) -> bool:
    return isinstance(medium, Picture) and medium.pixels.shape == (48, 64, 3) and bool(np.ptp(medium.pixels))


def is_sound(medium: Any) -> bool:
    return isinstance(medium, Sound) and len(medium.samples) == 16_000


def is_film(medium: Any) -> bool:
    return isinstance(medium, Film) and medium.frames.shape == (3, 48, 64, 3) and medium.sound is not None


def test_openais_client_sends_every_part(chat: Callable[..., Any], server: SimpleNamespace) -> None:
    parts = [TEXT, image(PICTURE, detail="low"), {"type": "input_audio", "input_audio": HEARD}]
    extensions = [audio(TONE), video(CLIP)]  # which its types do not know, and its client sends all the same
    answer = chat(*parts, *extensions)
    assert answer.choices[0].message.content and answer.usage.prompt_tokens == 3
    first, second, third, fourth = given(server)
    assert is_picture(first) and is_sound(second) and is_sound(third) and is_film(fourth)
    assert second is third, "the same bytes"


def test_openais_client_reads_a_stream_and_what_is_refused(chat: Callable[..., Any], server: SimpleNamespace) -> None:
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chat(TEXT, image(PICTURE), stream=True))
    with pytest.raises(openai.UnprocessableEntityError, match="its bytes are PNG") as refused:
        chat(TEXT, {"type": "input_audio", "input_audio": {"data": PICTURE.split(",")[1], "format": "mp3"}})
    assert refused.value.param == "messages.0.content.1.input_audio.data"
    server.network.answers = iter([response(PNG)])
    chat(image("https://example.org/picture"))
    assert is_picture(given(server)[0])


def test_openais_client_sends_pictures_to_responses(server: SimpleNamespace) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="unused", max_retries=0) as client:
        part = {"type": "input_image", "image_url": PICTURE, "detail": "auto"}
        content = [{"type": "input_text", "text": "Hi"}, part]
        first = client.responses.create(model="tiny", input=[{"role": "user", "content": content}])
        assert is_picture(given(server)[0])
        client.responses.create(model="tiny", input="And?", previous_response_id=first.id)
        assert is_picture(given(server)[0]), "that of the turn before"
        file = {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
        with pytest.raises(openai.UnprocessableEntityError, match="input_image") as refused:
            client.responses.create(model="tiny", input=[{"role": "user", "content": [file]}])
        assert refused.value.param == "input.0.content.0.type"


def test_friendlis_client_sends_every_part(server: SimpleNamespace) -> None:
    parts = [
        models.TextContent(text="Hi"),
        models.ImageContent(image_url=models.ImageData(url=PICTURE)),
        models.AudioContent(audio_url=models.AudioData(url=TONE)),
        models.VideoContent(video_url=models.VideoData(url=CLIP)),
    ]
    with SyncFriendli(token="unused", x_friendli_team=None) as client:
        answer = client.container.chat.complete(
            messages=[models.UserMessage(content=parts)], max_tokens=3, seed=0, server_url=server.url, retries=None
        )
    assert answer.choices[0].message.content
    first, second, third = given(server)
    assert is_picture(first) and is_sound(second) and is_film(third)


@pytest.mark.parametrize("of_result", [False, True])
def test_anthropics_client_sends_pictures(server: SimpleNamespace, of_result: bool) -> None:
    sources: list[Any] = [
        {"type": "base64", "media_type": "image/png", "data": encoded(PNG)},
        {"type": "url", "url": "https://example.org/picture"},
    ]
    server.network.answers = iter([response(PNG)])
    content: list[Any] = [*({"type": "image", "source": source} for source in sources), TEXT]
    before: list[Any] = []
    if of_result:
        call = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
        before = [{"role": "user", "content": "Look!"}, {"role": "assistant", "content": [call]}]
        content = [{"type": "tool_result", "tool_use_id": "a", "content": content}]
    with anthropic.Anthropic(base_url=server.url, api_key="unused", max_retries=0) as client:
        messages = [*before, {"role": "user", "content": content}]
        answer = client.messages.create(model="tiny", max_tokens=3, messages=messages, extra_body={"seed": 0})
    assert answer.content[0].text
    assert [is_picture(medium) for medium in given(server)] == [True, True]


def test_a_rendered_chat_has_what_stands_for_its_media(server: SimpleNamespace) -> None:
    body = {"messages": [{"role": "user", "content": [TEXT, image(PICTURE)]}]}
    rendered = httpx.post(f"{server.url}/v1/chat/render", json=body).json()
    assert rendered["text"] == '["Hi", "x"]' and len(rendered["tokens"]) == len('["Hi", "x"]')
    body["messages"][0]["content"] = [TEXT, image(url(PNG, "image/gif"))]
    refused = httpx.post(f"{server.url}/v1/chat/render", json=body)
    assert refused.status_code == 422
    assert refused.json()["error"]["param"] == "messages.0.content.1.image_url.url"
