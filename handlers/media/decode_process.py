"""The process that decodes files: they come in on standard input, a frame each, and arrays go out.

`python -m handlers.media.decode_process LIMITS` runs one, LIMITS being JSON of MediaLimits' fields; decoding.py starts
it. It opens no file and no socket once it runs, and has nothing of the server's but what it is sent.
"""

import io
import json
import sys
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from handlers.media.films import FilmFile, decode_frames, examine_film
from handlers.media.limits import MediaError, MediaLimits, said_of_file
from handlers.media.pictures import decode_picture
from handlers.media.sounds import decode_sound
from handlers.processes.confine import (
    limit_memory,
    limit_time,
    open_answers,
    open_nothing_more,
    print_nothing_more,
)
from handlers.processes.frames import Frame, read_frame, write_frame

MESSAGE_CHARACTERS = 500
DONE, REFUSED, MEMORY = "done", "refused", "memory"
NOTHING, PICTURE, SOUND, FILM, FRAMES, FILM_SOUND = "nothing", "picture", "sound", "film", "frames", "film sound"

Answer = tuple[Any, list[np.ndarray]]


class Decoder:
    """What one process knows from one request to the next: the film that it has examined last."""

    def __init__(self, limits: MediaLimits) -> None:
        self._limits = limits
        self._data, self._decoder = b"", ""
        self._film: FilmFile | None = None
        self._work: dict[str, Callable[[list[Any]], Answer]] = {
            PICTURE: self._picture, SOUND: self._sound, FILM_SOUND: self._sound, FILM: self._examine,
            FRAMES: self._frames,
        }  # fmt: skip

    def answer(self, request: Frame) -> tuple[Any, list[np.ndarray]]:
        """What to say to a request, and the arrays beside it; never raises."""
        try:
            kind, arguments = request.value()
            if kind == NOTHING:
                return [DONE, None], []
            if kind in (PICTURE, SOUND, FILM):
                self._data, self._decoder, self._film = bytes(request.rest), arguments[0], None
            value, arrays = self._work[kind](arguments[1:])
            return [DONE, value], arrays
        except MediaError as error:
            return [REFUSED, str(error)[:MESSAGE_CHARACTERS]], []
        except MemoryError:
            return [MEMORY, None], []
        except Exception as error:
            # File and decoder are foreign: whatever they raise together is the file's fault.
            return [REFUSED, f"cannot be decoded: {said_of_file(error)}"], []

    def _picture(self, arguments: list[Any]) -> Answer:
        return _array(decode_picture(self._data, self._decoder, self._limits, *arguments))

    def _sound(self, arguments: list[Any]) -> Answer:
        return _array(decode_sound(self._data, self._decoder, self._limits, *arguments))

    def _examine(self, arguments: list[Any]) -> Answer:
        film = examine_film(self._data, self._decoder, self._limits)
        self._film, info = film, film.info
        told = {"duration": info.duration, "rate": info.rate, "height": info.height, "width": info.width}
        return {**told, "sound": film.sound}, [info.times]

    def _frames(self, arguments: list[Any]) -> Answer:
        assert self._film is not None
        chosen, most = arguments
        return _array(decode_frames(self._data, self._decoder, self._film, chosen, self._limits, most))


def load_all() -> None:
    """Has everything imported that the libraries import when it is first used: later no file can be opened."""
    sound, film, limits = io.BytesIO(), io.BytesIO(), MediaLimits()
    with wave.open(sound, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(800))
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(film, "GIF", save_all=True, append_images=frames[1:], duration=100)
    decode_picture(film.getvalue(), "GIF", limits, limits.decoded)
    decode_sound(sound.getvalue(), "wav", limits, limits.decoded)
    examined = examine_film(film.getvalue(), "gif", limits)
    decode_frames(film.getvalue(), "gif", examined, [0, 1], limits, limits.decoded)


def main(limits: MediaLimits) -> None:
    """Serves until standard input ends, or memory did not suffice."""
    answers = open_answers()
    load_all()
    limit_memory(limits.memory)
    print_nothing_more()
    open_nothing_more()
    decoder = Decoder(limits)
    while (request := read_frame(sys.stdin.buffer)) is not None:
        limit_time(limits.decode_seconds)
        value, arrays = decoder.answer(request)
        del request
        write_frame(answers, value, [np.ascontiguousarray(array).data.cast("B") for array in arrays])
        if value[0] == MEMORY:
            return


def _array(array: np.ndarray) -> Answer:
    return list(array.shape), [array]


if __name__ == "__main__":
    main(MediaLimits(**json.loads(sys.argv[1])))
