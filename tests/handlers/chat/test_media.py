"""Parts of pictures, sound and film: what a model that takes them is given, and how what is wrong with one is told."""

import asyncio
import base64
import threading
import time

import numpy as np
import pytest

from backend import Encoded, Film, Picture, Sound
from handlers.chat.media import encoded_media
from handlers.http.errors import APIError
from handlers.loaded import LoadedModel
from handlers.media.decoding import Decoders
from handlers.media.fetch import Fetcher
from handlers.media.reader import MediaPart, MediaReader
from tests.handlers.chat.seeing import (
    FILM,
    LIMITS,
    NAMES,
    PNG,
    WAV,
    Encoder,
    audio,
    image,
    input_audio,
    model,
    url,
    video,
)
from tests.handlers.media import corpus
from tests.handlers.media.networks import Network, redirect, response


@pytest.fixture(scope="module")
def network():
    return Network(NAMES)


@pytest.fixture(scope="module")
def seeing(fakes, network, tmp_path_factory):
    """An application whose model sees and hears; `.encoder`, `.folder` with files."""
    folder = tmp_path_factory.mktemp("media")
    loaded, encoder = model(fakes, network, folder)
    with fakes.connected(load=lambda: loaded) as app:
        fakes.wait_until(lambda: app.service.status == "ready")
        app.encoder, app.folder = encoder, folder
        yield app


def ask(app, *messages, **parameters):
    body = {"messages": [{"role": "user", "content": list(parts)} for parts in messages], "max_tokens": 3, **parameters}
    return app.client.post("/v1/chat/completions", json=body)


TEXT = {"type": "text", "text": "Hi"}


def test_media_come_decoded_in_the_order_of_the_messages(seeing, network):
    network.answers = iter([redirect("/b"), response(PNG)])
    answer = ask(
        seeing,
        [TEXT, image(url(PNG, "image/png")), audio(url(WAV, "audio/wav")), TEXT],
        [video(url(FILM, "video/x-matroska")), image("https://example.org/a"), input_audio(WAV)],
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["prompt_tokens"] == 3
    tokens, media = seeing.encoder.given[-1]
    assert tokens and [type(medium) for medium in media] == [Picture, Sound, Film, Picture, Sound]
    first, heard, film, second, again = media
    assert first.pixels.shape == (48, 64, 3) and np.array_equal(first.pixels, second.pixels) and first.key == second.key
    assert len(heard.samples) == 16_000 and heard.key == again.key and heard.duration == 1
    assert film.frames.shape == (3, 48, 64, 3) and film.times == pytest.approx([0, 8 / 12, 16 / 12], abs=0.002)
    assert film.sound is not None and film.sound.duration == pytest.approx(2, abs=0.1)
    assert len({first.key, heard.key, film.key, film.sound.key}) == 4


def test_in_anthropics_and_responses_words_too(seeing):
    source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
    said = {"model": "tiny", "messages": [{"role": "user", "content": [{"type": "image", "source": source}, TEXT]}]}
    answer = seeing.client.post("/v1/messages", json={**said, "max_tokens": 3})
    assert answer.status_code == 200, answer.text
    assert seeing.encoder.given[-1][1][0].pixels.shape == (48, 64, 3)
    answers = [
        seeing.client.post("/v1/messages/count_tokens", json=each).json()
        for each in (said, {**said, "messages": [{"role": "user", "content": [TEXT, TEXT]}]})
    ]
    assert answers[0] == {"input_tokens": len('["x", "Hi"]')}  # what stands for the picture is counted
    source["data"] = "e"
    refused = seeing.client.post("/v1/messages", json={**said, "max_tokens": 3}).json()["error"]
    assert "messages.0.content.0.source" in refused["message"] and "no base64" in refused["message"]
    part = {"type": "input_image", "image_url": url(PNG, "image/png"), "detail": "auto"}
    asked = {"input": [{"role": "user", "content": [part, {"type": "input_text", "text": "Hi"}]}], "store": False}
    answer = seeing.client.post("/v1/responses", json=asked)
    assert answer.status_code == 200, answer.text
    part["image_url"] = "http://intranet/x"
    refused = seeing.client.post("/v1/responses", json=asked).json()["error"]
    assert refused["param"] == "input.0.content.0.image_url" and "no host of the public internet" in refused["message"]


def test_what_the_model_has_already_is_not_decoded_again_nor_found_by_another_key():
    decoded = []

    class Counted(Decoders):
        async def run(self, work, client=None):
            decoded.append(client)
            return await super().run(work, client)

    reader, encoder = MediaReader(LIMITS, decoders=Counted(LIMITS, most=1)), Encoder()
    parts = [MediaPart("image", url(PNG, "image/png"), "a"), MediaPart("audio", url(WAV, "audio/wav"), "b")]

    async def read(shown, namespace=None):
        async with reader.read(shown, encoder, "client", namespace) as media:
            return [m if isinstance(m, Encoded) else await asyncio.to_thread(encoder.encode, m, bool) for m in media]

    async def turns():
        first = await read([*parts, parts[0]])
        assert first[0] is first[2] and len(decoded) == 2
        assert await read(parts) == first[:2] and len(decoded) == 2
        sniffed = MediaPart("image", url(PNG, "application/octet-stream"), "a")
        assert await read([sniffed]) == first[:1] and len(decoded) == 2
        other = await read(parts[:1], "another key")
        assert other[0].key != first[0].key and len(decoded) == 3
        with pytest.raises(APIError, match="its bytes are PNG"):  # what is said of it is checked all the same
            await read([MediaPart("image", url(PNG, "image/jpeg"), "a")])

    asyncio.run(turns())
    reader.close()


def test_who_leaves_while_media_are_encoded_holds_them_until_that_has_ended():
    begun, ended, released = threading.Event(), threading.Event(), []

    class Slow(Encoder):
        def encode(self, medium, unwanted):
            begun.set()
            while not unwanted():
                time.sleep(0.001)
            assert not released
            ended.set()

    async def leave():
        task = asyncio.create_task(encoded_media([Picture(np.zeros((1, 2, 3), np.uint8), "p")] * 2, Slow()))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        released.append(True)

    asyncio.run(leave())
    assert ended.is_set()


def test_files_below_the_folder_are_taken(seeing):
    assert ask(seeing, [image(f"file://{seeing.folder}/picture.png")]).status_code == 200
    assert seeing.encoder.given[-1][1][0].pixels.shape == (48, 64, 3)


SMALL = corpus.saved(corpus.quadrants().resize((1, 1)), "PNG")
LARGE = corpus.saved(corpus.quadrants().resize((101, 100)), "PNG")
REFUSED = {
    "no picture": ([TEXT, image(url(b"text", "image/png"))], "1.image_url.url", "in no format that is known here"),
    "another type": ([image(url(PNG, "image/jpeg"))], "0.image_url.url", "image/jpeg, but its bytes are PNG"),
    "too many pixels": ([image(url(LARGE, "image/png"))], "0.image_url.url", "101 x 100 pixels, more than the 10,000"),
    "no base64": ([image("data:image/png;base64,é")], "0.image_url.url", "no base64"),
    "a private host": ([TEXT, TEXT, image("http://intranet/x")], "2.image_url.url", "no host of the public internet"),
    "loopback": ([audio("http://127.0.0.1/x")], "0.audio_url.url", "no host of the public internet"),
    "a scheme": ([video("gopher://example.org/x")], "0.video_url.url", "the scheme 'gopher'"),
    "a file elsewhere": ([image("file:///etc/passwd")], "0.image_url.url", "not below --media-folder"),
    "too long": (
        [audio(url(corpus.sound("flac", "flac", 8000, seconds=6), "audio/flac"))], "0.audio_url.url", "than the 5 s",
    ),
    "the format of input_audio": ([input_audio(WAV, "mp3")], "0.input_audio.data", "says that it is audio/mp3"),
    "a strange format of input_audio": ([input_audio(WAV, "x;base64,")], "0.input_audio.data", "it is audio/x"),
    "no sound in input_audio": ([TEXT, input_audio(PNG, "wav")], "1.input_audio.data", "its bytes are PNG"),
    "too many bytes": ([image(url(bytes(1 + (1 << 20)), "image/png"))], "0.image_url.url", "more than 1,048,576 bytes"),
    "too many media": ([image("data:,")] * 6, "5.image_url.url", "6 media, and a request may have 5"),
    "the first of two": ([image("data:,x"), image("data:,y")], "0.image_url.url", "in no format"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_wrong_with_a_part_is_422_that_names_its_field(seeing, name, stream):
    parts, param, message = REFUSED[name]
    answer = ask(seeing, [TEXT], [TEXT], parts, stream=stream)
    error = answer.json()["error"]
    assert answer.status_code == 422 and error["param"] == f"messages.2.content.{param}", error
    assert message in error["message"] and len(error["message"]) < 600
    assert message.startswith("6 media") or error["message"].startswith(error["param"])


def test_what_a_model_cannot_take_is_422(seeing):
    answer = ask(seeing, [image(url(SMALL, "image/png"))])
    error = answer.json()["error"]
    assert answer.status_code == 422 and error["param"] == "messages.0.content.0.image_url.url"
    assert error["message"] == f"{error['param']} has 1 pixel, and 2 are needed"


def test_other_fields_of_a_part_are_named(seeing):
    parts = [
        image(url(PNG, "image/png"), detail="high"),
        {**input_audio(WAV, further=1), "cache_control": {"type": "x"}},
    ]
    answer = ask(seeing, parts)
    names = answer.headers["x-ignored-parameters"].split(",")
    path = "messages.0.content"
    assert set(names) >= {
        f"{path}.0.image_url.detail", f"{path}.1.input_audio.further", f"{path}.1.cache_control",
    }  # fmt: skip


class Untouched:
    """A reader that must not be asked."""

    limits = LIMITS

    def read(self, *_):
        raise AssertionError

    def close(self):
        pass


@pytest.mark.parametrize(
    ("takes", "reader", "part", "message"),
    [
        (
            ("image", "audio"),
            Untouched(),
            video("data:,"),
            "does not support video inputs; send text and image and audio parts",
        ),
        (("image",), Untouched(), input_audio(WAV), "does not support audio inputs; send text and image parts only"),
        (("image",), None, image("data:,"), "its operator can pip install 'jaxchat[media]'"),
        (("image",), None, video("data:,"), "does not support video inputs; send text parts only"),
    ],
)
def test_a_part_that_the_model_lacks_is_refused_before_anything_is_fetched(fakes, takes, reader, part, message):
    loaded = LoadedModel(
        fakes.Engine(), fakes.Tokenizer(), fakes.Compiler(), encoder=Encoder(*takes), reader=reader
    )  # fmt: skip
    with fakes.connected(load=lambda: loaded) as app:
        fakes.wait_until(lambda: app.service.status == "ready")
        answer = ask(app, [TEXT, *([image("http://example.org/x")] if reader else []), part])
        error = answer.json()["error"]
        assert answer.status_code == 422 and message in error["message"]
        assert error["param"] == f"messages.0.content.{2 if reader else 1}"


def test_bodies_may_have_the_media_that_requests_may_have(seeing, fakes):
    assert seeing.service.body_bytes == (2 << 20) + LIMITS.bytes * 4 // 3
    with fakes.connected() as app:
        assert app.service.body_bytes == 2 << 20


def test_clients_share_the_places_and_too_many_who_wait_are_429(monkeypatch):
    monkeypatch.setattr("handlers.media.reader.WAITING", 3)
    network = Network(NAMES, [[None]] * 99)
    fetcher = Fetcher(resolve=network.resolve, connect=network)
    reader = MediaReader(LIMITS, fetcher=fetcher)
    encoder = Encoder()

    async def read(client):
        async with reader.read([MediaPart("image", "http://example.org/", "x")], encoder, client):
            pass

    async def crowd():
        tasks = [asyncio.create_task(read("a")) for _ in range(7)]
        await asyncio.sleep(0.05)
        other = asyncio.create_task(read("b"))
        done, _ = await asyncio.wait([other], timeout=1)
        assert done and other.exception().status == 429  # of one client four are read, and three wait
        tasks[6].cancel()
        await asyncio.gather(tasks[6], return_exceptions=True)
        third = asyncio.create_task(read("b"))
        async with asyncio.timeout(5):
            while len(network.connections) < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        for task in (*tasks, third):
            task.cancel()
        await asyncio.gather(*tasks, third, return_exceptions=True)

    asyncio.run(crowd())
    reader.close()
