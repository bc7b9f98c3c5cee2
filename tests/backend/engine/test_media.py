"""Embeddings of media: where they stand in a prompt, and how long they are kept."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from backend.engine.media import MediaEncoder
from backend.media import FilmInfo, Picture
from backend.models.media.interface import EncoderCall, Program, Run
from backend.request import Prompt

PROGRAM = Program("pixels", 8, (((8, 1), "float32"),))
DOT, MARK = 7, 8


class Dots:
    """A picture is a row of pixels, each a token; two runs of the same length where it has an even number."""

    film_sound, both_ways, programs, features = False, 4, (PROGRAM,), 0
    placeholders = {"image": DOT}  # noqa: RUF012

    def choose_frames(self, film):
        return np.arange(len(film.times))

    def written(self, picture):
        size = picture.pixels.shape[1]
        return (MARK, Run(DOT, size // 2, both_ways=True), "x", Run(DOT, size // 2), MARK)

    def calls(self, picture):
        for start in range(0, picture.pixels.shape[1], 8):
            part = picture.pixels[0, start : start + 8, :1].astype(np.float32)
            yield EncoderCall(PROGRAM, (part,), len(part))


class Runner:
    def __init__(self):
        self.calls, self._lock = 0, threading.Lock()

    def embed(self, call):
        with self._lock:
            self.calls += 1
        return np.concatenate([call.inputs[0], np.zeros((call.rows, 3), np.float32)], axis=1)[: call.rows]


def picture(*values: int) -> Picture:
    return Picture(np.repeat(np.array(values, np.uint8)[None, :, None], 3, axis=2), str(values))


def prompt_of(encoder: MediaEncoder, ids: list[int], shown: list[Picture]) -> Prompt:
    return encoder.prompt(ids, [encoder.encode(picture) for picture in shown])


def tokens(*pictures: Picture) -> list[int]:
    ids = [1]
    for shown in pictures:
        half = shown.pixels.shape[1] // 2
        ids += [MARK, *[DOT] * half, 2, *[DOT] * half, MARK, 1]
    return ids


def test_runs_are_filled_in_order_and_have_the_keys_of_their_media() -> None:
    encoder = MediaEncoder(Runner(), Dots())
    first, second = picture(1, 2, 3, 4), picture(5, 6)
    prompt = prompt_of(encoder, tokens(first, second, first), [first, second, first])
    assert [(span.start, span.length, span.both_ways) for span in prompt.spans] == [
        *[(2, 2, True), (5, 2, False), (10, 1, True), (12, 1, False)],
        *[(16, 2, True), (19, 2, False)],
    ]
    filled = [span.embeddings[:, 0].tolist() for span in prompt.spans]
    assert filled == [[1, 2], [3, 4], [5], [6], [1, 2], [3, 4]]
    keys = [span.key for span in prompt.spans]
    assert keys[:2] == keys[4:] and len(set(keys)) == 4


def test_what_is_written_is_ids_and_text() -> None:
    encoder = MediaEncoder(Runner(), Dots())
    assert encoder.written(picture(1, 2, 3, 4)) == (MARK, DOT, DOT, "x", DOT, DOT, MARK)
    assert encoder.modalities == {"image"}
    assert encoder.choose_frames(FilmInfo(np.arange(3.0), 3.0, 1.0, 2, 2)) == [0, 1, 2]


@pytest.mark.parametrize("wrong", [[1, 1], [MARK, DOT, 1], [MARK, DOT, DOT, 1, DOT]])
def test_a_prompt_without_them_is_refused(wrong: list[int]) -> None:
    with pytest.raises(ValueError, match="stand for a medium"):
        prompt_of(MediaEncoder(Runner(), Dots()), wrong, [picture(1, 2, 3, 4)])


def test_embeddings_are_kept_within_their_bytes_those_used_last() -> None:
    runner = Runner()
    encoder = MediaEncoder(runner, Dots(), cache_bytes=2 * 4 * 4 * 4)  # two pictures of four pixels
    a, b, c = picture(1, 1, 1, 1), picture(2, 2, 2, 2), picture(3, 3, 3, 3)
    for shown, calls in ((a, 1), (b, 2), (a, 2), (c, 3), (a, 3), (b, 4), (a, 4), (c, 5)):
        prompt = prompt_of(encoder, tokens(shown), [shown])
        assert prompt.spans[0].embeddings[0, 0] == shown.pixels[0, 0, 0]
        assert runner.calls == calls
    large = picture(*range(200))
    for calls in (5 + 25, 5 + 25 + 25):  # more than is ever kept
        prompt_of(encoder, tokens(large), [large])
        assert runner.calls == calls


def test_one_picture_of_many_requests_at_once_is_encoded_once() -> None:
    runner = Runner()
    encoder, shown = MediaEncoder(runner, Dots()), picture(1, 2)
    with ThreadPoolExecutor(8) as pool:
        prompts = list(pool.map(lambda _: prompt_of(encoder, tokens(shown), [shown]), range(50)))
    assert runner.calls == 1 and all(prompt.spans[0].embeddings[0, 0] == 1 for prompt in prompts)


def test_what_is_kept_is_found_by_its_key_and_written_as_it_was() -> None:
    encoder, shown = MediaEncoder(Runner(), Dots()), picture(1, 2, 3, 4)
    assert encoder.find(shown.key) is None
    made = encoder.encode(shown)
    assert encoder.find(shown.key) is made and encoder.find("another") is None
    assert encoder.written(made) == encoder.written(shown)
    assert encoder.prompt(tokens(shown), [made]).spans[1].embeddings[:, 0].tolist() == [3, 4]


def test_what_is_unwanted_meanwhile_is_encoded_no_further() -> None:
    runner = Runner()
    encoder, shown = MediaEncoder(runner, Dots()), picture(*range(40))
    assert encoder.encode(shown, lambda: runner.calls == 2) is None
    assert runner.calls == 2 and encoder.find(shown.key) is None
    assert encoder.encode(shown) is not None and runner.calls == 7


def test_nobody_waits_to_find_what_is_not_there_while_another_is_encoded() -> None:
    class Slow(Runner):
        def embed(self, call):
            assert found.wait(30)
            return super().embed(call)

    found = threading.Event()
    encoder, shown = MediaEncoder(Slow(), Dots()), picture(1, 2)
    with ThreadPoolExecutor(1) as pool:
        encoding = pool.submit(encoder.encode, shown)
        assert encoder.find("another") is None
        found.set()
        assert encoding.result(30) is encoder.find(shown.key)
