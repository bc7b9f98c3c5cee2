"""The media of a request, from what its parts say to arrays."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from backend import Encoded, Film, FilmInfo, Medium, Modality, Picture, Sound
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


class MediaModel(Protocol):
    """What a model wants of media. film_sound: the sound of films too."""

    film_sound: bool

    def choose_frames(self, film: FilmInfo) -> Sequence[int]:
        """The frames of a film that are decoded, ascending."""
        ...

    def find(self, key: str) -> Encoded | None:
        """What the model has of the medium with this key, which then need not be decoded; at once."""
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
        self, parts: Sequence[MediaPart], model: MediaModel, client: str | None = None, namespace: str | None = None
    ) -> AsyncIterator[list[Medium | Encoded]]:
        """The media of a request's parts, in order, for the block: so long they are held, so let go of them in it.

        Each file is decoded once, and not at all where the model has it already. namespace: among whose media it is
        looked for. Raises APIError: 422 that names the first part at fault, 429 where too many requests wait already.
        """
        if len(parts) > self.limits.parts:
            message = f"the messages have {len(parts)} media, and a request may have {self.limits.parts}"
            raise invalid(message, parts[self.limits.parts].param)
        async with self._places.one(client):
            yield await self._read(parts, model, client, namespace)

    def warm(self) -> None:
        """Has what decodes started, so that the first request need not wait for it. Raises RuntimeError."""
        self._decoders.warm()

    def close(self) -> None:
        """Ends what is being read, and the processes that decode."""
        self._fetcher.close()
        self._decoders.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _read(
        self, parts: Sequence[MediaPart], model: MediaModel, client: str | None, namespace: str | None
    ) -> list[Medium | Encoded]:
        files: list[_File | None] = [*await self._files(parts)]
        read: dict[str, Medium | Encoded] = {}
        media: list[Medium | Encoded] = []
        left = self.limits.decoded
        for at, part in enumerate(parts):
            file, files[at] = files[at], None
            assert file is not None
            key = f"{namespace or ''}:{part.modality}:{file.digest}"
            medium = read.get(key) or model.find(key)
            if medium is None:
                with named(part):
                    medium = await self._decoders.run(_work(part.modality, file, key, model, left), client)
                left -= _size(medium)
            read[key] = medium
            media.append(medium)
        return media

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    async def _files(self, parts: Sequence[MediaPart]) -> list["_File"]:
        """Each part's file. Of several at fault the first is named, and no other is waited for."""
        budget = Budget(self.limits.bytes)
        tasks = [asyncio.create_task(self._file(part, budget)) for part in parts]
        try:
            return [await task for task in tasks]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _file(self, part: MediaPart, budget: Budget) -> "_File":
        with named(part):
            media_type, scheme = None, part.url[:8].partition(":")[0].lower()
            if scheme == "data":
                data, media_type = await self._in_thread(read_data_url, part.url, budget)
            elif scheme == "file":
                data = await self._in_thread(read_file_url, part.url, self._folder, budget)
            else:
                data = await self._fetcher.fetch(part.url, budget)
            format = format_of(data, part.modality, media_type)
        return _File(data, format, await self._in_thread(lambda: hashlib.sha256(data).hexdigest()))


class _File(NamedTuple):
    """A file whose format is known, and the digest of its bytes."""

    data: bytes
    format: Format
    digest: str


@contextmanager
def named(part: MediaPart) -> Iterator[None]:
    """Makes of a block's MediaError the 422 that names the part."""
    try:
        yield
    except MediaError as error:
        raise invalid(f"{part.param} {error}", part.param) from error


def _work(modality: Modality, file: _File, key: str, model: MediaModel, most: int) -> Callable[[Decoding], Medium]:
    """What makes the medium of a file with a process."""
    data, decoder = file.data, file.format.decoder

    def picture(decoding: Decoding) -> Picture:
        return Picture(decoding.picture(data, decoder, most), key)

    def sound(decoding: Decoding) -> Sound:
        return Sound(decoding.sound(data, decoder, most), key)

    def film(decoding: Decoding) -> Film:
        info, has_sound = decoding.film(data, decoder.lower())
        chosen = [int(index) for index in model.choose_frames(info)]
        frames = decoding.frames(chosen, most)
        sound = None
        if model.film_sound and has_sound:
            sound = Sound(decoding.film_sound(most - frames.nbytes), f"{key}:sound")
        return Film(frames, np.array(chosen), info, sound, key)

    works: dict[Modality, Callable[[Decoding], Medium]] = {"image": picture, "audio": sound, "video": film}
    return works[modality]


def _size(medium: Medium) -> int:
    match medium:
        case Picture():
            return medium.pixels.nbytes
        case Sound():
            return medium.samples.nbytes
    return medium.frames.nbytes + (0 if medium.sound is None else medium.sound.samples.nbytes)
