"""Draws batches in a process of its own, while the one before is learnt."""

import multiprocessing
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.draw import Draw
from training.omni.model import media_config
from training.omni.tasks import Chat, chat, exam
from training.omni.tokenizer import EncodedChat, Encoder
from training.packing import Packed, pack
from training.tokenizer import load_tokenizer

ROWS, LENGTH = 8, 256
PATCHES, PIECES = ROWS * LENGTH * 3 // 4, ROWS * LENGTH // 2
"""Most patches and pieces of sound of a batch: far more than there are on average."""
AHEAD = 3


class MediaBatch(NamedTuple):
    """A batch, see `packing.Batch` for the first four. B rows of T tokens, P patches, S pieces of sound.

    together: int32 [2, B, T], first and last position of those that see each other. patches: float32 [P, numbers] with
    places int32 [P, 2]; pieces: float32 [S, samples]. patch_at, piece_at: int32 [P] and [S], the token, counted through
    all rows, whose embedding each takes the place of; B * T where there is none.
    """

    tokens: NDArray[np.int32]
    segments: NDArray[np.int32]
    positions: NDArray[np.int32]
    weights: NDArray[np.float32]
    together: NDArray[np.int32]
    patches: NDArray[np.float32]
    places: NDArray[np.int32]
    pieces: NDArray[np.float32]
    patch_at: NDArray[np.int32]
    piece_at: NDArray[np.int32]


def with_media(packed: Packed[EncodedChat], encoder: Encoder, patches: int, pieces: int) -> MediaBatch:
    """The batch with what is shown in it. patches, pieces: P and S; raises ValueError where there are more."""
    batch, media = packed.batch, encoder.media
    chats = [chat for row in packed.rows for chat in row]
    together = np.stack([batch.positions, batch.positions])
    for index, row in enumerate(packed.rows):
        if row:
            joined = np.concatenate([chat.together for chat in row], axis=1)
            together[:, index, : joined.shape[1]] = joined
    seen = [media.placeholders["image"], media.placeholders["video"]]
    return MediaBatch(
        *batch,
        together,
        _filled([chat.patches for chat in chats], patches, 0),
        _filled([chat.places for chat in chats], patches, -1),
        _filled([chat.pieces for chat in chats], pieces, 0),
        _places(np.isin(batch.tokens, seen), patches),
        _places(batch.tokens == media.placeholders["audio"], pieces),
    )


def _filled(arrays: Sequence[np.ndarray], size: int, value: float) -> np.ndarray:
    joined = np.concatenate(arrays)
    if len(joined) > size:
        raise ValueError(f"{len(joined)} patches or pieces of sound are more than the {size} that a batch has room for")
    return np.pad(joined, ((0, size - len(joined)), (0, 0)), constant_values=value)


def _places(found: np.ndarray, size: int) -> NDArray[np.int32]:
    places = np.full(size, found.size, np.int32)
    at = np.flatnonzero(found)
    places[: len(at)] = at
    return places


@cache
def _encoder(folder: Path) -> Encoder:
    return Encoder(load_tokenizer(folder))


def draw_batch(folder: Path, seed: str, weights: Mapping[str, float]) -> tuple[MediaBatch, int]:
    """The training batch that `seed` stands for, and how many conversations it has. weights: see `tasks.chat`.

    folder: has the tokenizer's files.
    """
    encoder, draw = _encoder(folder), Draw(random.Random(seed))

    def drawn() -> Iterator[EncodedChat]:
        while True:
            yield encoder(chat(draw, media_config().choose_frames, weights))

    packed = next(pack(drawn(), ROWS, LENGTH, encoder.tokenizer.pad_token_id))
    return with_media(packed, encoder, PATCHES, PIECES), sum(map(len, packed.rows))


class Drawer:
    """Batches of a run, in order, a few of them ahead. weights: of batches that are drawn from now on."""

    def __init__(self, pool: ProcessPoolExecutor, folder: Path, seed: int, first: int) -> None:
        self._pool, self._folder, self._seed, self._next = pool, folder, seed, first
        self._ahead: list[Future[tuple[MediaBatch, int]]] = []

    def draw(self, weights: Mapping[str, float]) -> tuple[MediaBatch, int]:
        while len(self._ahead) < AHEAD:
            self._ahead.append(self._pool.submit(draw_batch, self._folder, f"{self._seed}/{self._next}", weights))
            self._next += 1
        return self._ahead.pop(0).result()


@contextmanager
def drawing() -> Iterator[ProcessPoolExecutor]:
    """A process that draws, with one thread for arithmetic: the others are the model's."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def exams(encoder: Encoder, task: str, count: int, seed: str, new_phrases: bool) -> list[tuple[Chat, EncodedChat]]:
    """Questions of one task, each with its right answer; the same ones each time."""
    draw = Draw(random.Random(f"{seed}/{task}"), new_phrases)
    chats = [exam(draw, task, media_config().choose_frames) for _ in range(count)]
    return [(chat, encoder(chat)) for chat in chats]
