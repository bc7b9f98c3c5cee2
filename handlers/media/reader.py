"""The media of a request, from what its parts say to arrays."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from backend import Film, FilmInfo, Medium, Modality, Picture, Sound
from handlers.http.errors import invalid
from handlers.media.data_url import read_data_url
from handlers.media.decoding import Decoders, Decoding
from handlers.media.fetch import EVERYWHERE, Fetcher, FetchPolicy
from handlers.media.folder import read_file_url
from handlers.media.formats import Format, format_of
from handlers.media.limits import DEFAULT_LIMITS, Budget, MediaError, MediaLimits
from handlers.media.places import Places

READING, READING_OF_ONE, WAITING = 8, 4, 256
"""Requests whose media are held at a time, those of one client, and those that may wait for it."""
THREADS = 4
Result = TypeVar("Result")


@dataclass(frozen=True)
class MediaPart:
    """A part of a message that is no text. url: where its file is. param: the path of the field that says so."""

    modality: Modality
    url: str
    param: str


class FrameChooser(Protocol):
    """What a model wants of films. film_sound: their sound too."""

    film_sound: bool

    def choose_frames(self, film: FilmInfo) -> Sequence[int]:
        """The frames of a film that are decoded, ascending."""
        ...


class MediaReader:
    """Reads media, under limits and a policy. For one event loop.

    folder: below which the files of `file:` URLs must lie, None for no files.
    """

    def __init__(
        self,
        limits: MediaLimits = DEFAULT_LIMITS,
        policy: FetchPolicy = EVERYWHERE,
        folder: Path | None = None,
        *,
        fetcher: Fetcher | None = None,
        decoders: Decoders | None = None,
    ) -> None:
        self.limits, self._folder = limits, folder
        self._fetcher = fetcher or Fetcher(policy, limits)
        self._decoders = decoders or Decoders(limits)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="media-read")
        self._places = Places("media", READING, READING_OF_ONE, WAITING)

    @asynccontextmanager
    async def read(
        self, parts: Sequence[MediaPart], chooser: FrameChooser, client: str | None = None
    ) -> AsyncIterator[list[Medium]]:
        """The media of a request's parts, in order, for the block: so long they are held, so let go of them in it.

        Raises APIError: 422 that names the first part at fault, 429 where too many requests wait already.
        """
        if len(parts) > self.limits.parts:
            message = f"the messages have {len(parts)} media, and a request may have {self.limits.parts}"
            raise invalid(message, parts[self.limits.parts].param)
        async with self._places.one(client):
            yield await self._read(parts, chooser, client)

    def warm(self) -> None:
        """Has what decodes started, so that the first request need not wait for it. Raises RuntimeError."""
        self._decoders.warm()

    def close(self) -> None:
        """Ends what is being read, and the processes that decode."""
        self._fetcher.close()
        self._decoders.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _read(self, parts: Sequence[MediaPart], chooser: FrameChooser, client: str | None) -> list[Medium]:
        files = await self._files(parts)
        media: list[Medium] = []
        left = self.limits.decoded
        for at, part in enumerate(parts):
            (data, format), files[at] = files[at], (b"", files[at][1])
            with named(part):
                medium = await self._decoders.run(_work(part.modality, data, format, chooser, left), client)
            left -= _size(medium)
            media.append(medium)
        return media

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _files(self, parts: Sequence[MediaPart]) -> list[tuple[bytes, Format]]:
        """Bytes and format of each part's file. Of several at fault the first is named, and no other is waited for."""
        budget = Budget(self.limits.bytes)
        tasks = [asyncio.create_task(self._file(part, budget)) for part in parts]
        try:
            return [await task for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _file(self, part: MediaPart, budget: Budget) -> tuple[bytes, Format]:
        with named(part):
            media_type, scheme = None, part.url[:8].partition(":")[0].lower()
            if scheme == "data":
                data, media_type = await self._in_thread(read_data_url, part.url, budget)
            elif scheme == "file":
                data = await self._in_thread(read_file_url, part.url, self._folder, budget)
            else:
                data = await self._fetcher.fetch(part.url, budget)
            return data, format_of(data, part.modality, media_type)


@contextmanager
def named(part: MediaPart) -> Iterator[None]:
    """Makes of a block's MediaError the 422 that names the part."""
    try:
        yield
    except MediaError as error:
        raise invalid(f"{part.param} {error}", part.param) from error


def _work(
    modality: Modality, data: bytes, format: Format, chooser: FrameChooser, most: int
) -> Callable[[Decoding], Medium]:
    """What makes the medium of a file with a process."""

    def key() -> str:
        return f"{modality}:{hashlib.sha256(data).hexdigest()}"

    def picture(decoding: Decoding) -> Picture:
        return Picture(decoding.picture(data, format.decoder, most), key())

    def sound(decoding: Decoding) -> Sound:
        return Sound(decoding.sound(data, format.decoder, most), key())

    def film(decoding: Decoding) -> Film:
        info, has_sound = decoding.film(data, format.decoder.lower())
        chosen = [int(index) for index in chooser.choose_frames(info)]
        frames = decoding.frames(chosen, most)
        sound = None
        if chooser.film_sound and has_sound:
            sound = Sound(decoding.film_sound(most - frames.nbytes), f"{key()}:sound")
        return Film(frames, np.array(chosen), info, sound, key())

    works: dict[Modality, Callable[[Decoding], Medium]] = {"image": picture, "audio": sound, "video": film}
    return works[modality]


def _size(medium: Medium) -> int:
    match medium:
        case Picture():
            return medium.pixels.nbytes
        case Sound():
            return medium.samples.nbytes
    return medium.frames.nbytes + (0 if medium.sound is None else medium.sound.samples.nbytes)
