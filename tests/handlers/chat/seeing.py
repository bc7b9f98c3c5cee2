"""A model that takes all media and only notes what it is given, and parts of every kind to give it."""

import base64
import threading
from pathlib import Path
from typing import Any

import numpy as np

from backend import Encoded, Picture, Prompt
from handlers.loaded import LoadedModel
from handlers.media.decoding import Decoders
from handlers.media.fetch import Fetcher
from handlers.media.limits import MediaLimits
from handlers.media.reader import MediaReader
from tests.handlers.media import corpus
from tests.handlers.media.networks import PUBLIC, Network

PNG = corpus.saved(corpus.quadrants(), "PNG")
WAV = corpus.sound("wav", "pcm_s16le", 16_000)
FILM = corpus.film("matroska", "mpeg4", with_sound="pcm_s16le")
LIMITS = MediaLimits(bytes=1 << 20, parts=5, pixels=10_000, duration=5)
NAMES = {"example.org": [[PUBLIC]], "intranet": [["10.0.0.1"]]}


class Encoder:
    """Takes all, and tells what it was given. A picture of one pixel is too small for it."""

    film_sound = True
    placeholders = {"image": 1, "audio": 2, "video": 3}  # noqa: RUF012

    def __init__(self, *modalities):
        self.modalities = frozenset(modalities or ("image", "audio", "video"))
        self.given, self.media, self.kept = [], {}, {}

    def choose_frames(self, film):
        return range(0, len(film.times), 8)

    def written(self, medium):
        if isinstance(medium, Picture) and medium.pixels.size == 3:
            raise ValueError("has 1 pixel, and 2 are needed")
        return ("x",)

    def find(self, key):
        return self.kept.get(key)

    def encode(self, medium, unwanted):
        assert threading.current_thread() is not threading.main_thread() and not unwanted()
        self.media[medium.key] = medium
        return self.kept.setdefault(medium.key, Encoded(medium.key, ("x",), np.zeros((1, 0, 1), np.float32)))

    def prompt(self, tokens, media):
        assert threading.current_thread() is not threading.main_thread()
        self.given.append((tokens, [self.media[medium.key] for medium in media]))
        return Prompt((1, 2, 3))


def encoded(data):
    return base64.b64encode(data).decode()


def url(data, media_type):
    return f"data:{media_type};base64,{encoded(data)}"


def image(url, **further):
    return {"type": "image_url", "image_url": {"url": url, **further}}


def audio(url):
    return {"type": "audio_url", "audio_url": {"url": url}}


def video(url):
    return {"type": "video_url", "video_url": {"url": url}}


def input_audio(data, format="wav", **further):
    return {
        "type": "input_audio",
        "input_audio": {"data": encoded(data), "format": format, **further},
    }


def model(fakes: Any, network: Network, folder: Path) -> tuple[LoadedModel, Encoder]:
    """One that sees and hears, with a picture in `folder`, and what notes what it is given."""
    (folder / "picture.png").write_bytes(PNG)
    fetcher = Fetcher(limits=LIMITS, resolve=network.resolve, connect=network)
    reader = MediaReader(LIMITS, folder=folder, fetcher=fetcher, decoders=Decoders(LIMITS, most=1))
    encoder = Encoder()
    return LoadedModel(fakes.Engine(), fakes.Tokenizer(), fakes.Compiler(), encoder=encoder, reader=reader), encoder
