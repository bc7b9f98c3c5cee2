"""The pictures, sounds and films of a request's messages, and the prompt that has them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from backend import MODALITIES, Encoded, Medium, Modality, Prompt
from generated.models import AudioContent, ContainerChatCompletionBody, ImageContent, UserMessage, VideoContent
from handlers.chat.request import ChatRequest
from handlers.http.client import current_cache_namespace, current_client
from handlers.http.errors import invalid
from handlers.http.threads import in_prompt_thread
from handlers.loaded import LoadedModel, MediaEncoder
from handlers.media.decoding import INSTALL
from handlers.media.reader import MediaPart
from handlers.text.shown_media import ShownMedium

Encode = Callable[[Sequence[ShownMedium]], list[int]]
Fits = Callable[[int], object]
MediaContent = AudioContent | ImageContent | VideoContent
_encoding = ThreadPoolExecutor(1, thread_name_prefix="media-encode")


def check_media(request: ChatRequest, loaded: LoadedModel) -> None:
    """Raises APIError 422 for a part that the model does not take, before anything of any is fetched."""
    for path, part in _contents(request.body):
        modality, param = _modality(part), request.told(path)
        if loaded.encoder is not None and loaded.reader is None and modality in loaded.encoder.modalities:
            message = f"{param}: this server lacks the packages that read {modality} inputs; its operator can {INSTALL}"
            raise invalid(message, param)
        if modality not in loaded.modalities:
            takes = " and ".join(["text", *(name for name in MODALITIES if name in loaded.modalities)])
            raise invalid(f"{param}: this model does not support {modality} inputs; send {takes} parts only", param)


def media_parts(request: ChatRequest) -> list[MediaPart]:
    """The media of a request, in the order of its messages."""
    return [
        MediaPart(_modality(part), _url(part), request.told(f"{path}.{part.type}.url"))
        for path, part in _contents(request.body)
    ]


@asynccontextmanager
async def with_media(
    request: ChatRequest, loaded: LoadedModel, encode: Encode
) -> AsyncIterator[tuple[list[int], list[Medium | Encoded]]]:
    """The token ids of a request's messages with what stands for their media, and these, held for the block.

    encode: makes ids of the messages, given what stands for their media. Raises APIError 422 that names a part, and
    429.
    """
    parts = media_parts(request)
    if not parts:
        yield await in_prompt_thread(encode, ()), []
        return
    assert loaded.encoder is not None and loaded.reader is not None
    reading = loaded.reader.read(parts, loaded.encoder, current_client(), current_cache_namespace())
    async with reading as media:
        shown = [_shown(part, medium, loaded.encoder) for part, medium in zip(parts, media, strict=True)]
        yield await in_prompt_thread(encode, shown), media


async def media_prompt(request: ChatRequest, loaded: LoadedModel, encode: Encode, fits: Fits) -> Prompt:
    """The prompt of a request with media in its messages. Raises as `with_media`.

    fits: raises for a prompt that is too long.
    """
    assert loaded.encoder is not None
    async with with_media(request, loaded, encode) as (tokens, media):
        fits(len(tokens))
        encoded = await encoded_media(media, loaded.encoder)
    return await in_prompt_thread(loaded.encoder.prompt, tokens, encoded)


async def encoded_media(media: Sequence[Medium | Encoded], encoder: MediaEncoder) -> list[Encoded]:
    """What the model makes of media, one after the other.

    Where nobody waits for it any more it ends once the one that is being encoded is let go of.
    """
    return [await _encoded(medium, encoder) for medium in media]


async def _encoded(medium: Medium | Encoded, encoder: MediaEncoder) -> Encoded:
    if isinstance(medium, Encoded):
        return medium
    unwanted = threading.Event()
    work = _encoding.submit(encoder.encode, medium, unwanted.is_set)
    done = asyncio.wrap_future(work)
    try:
        made = await asyncio.shield(done)
    except asyncio.CancelledError:
        unwanted.set()
        if not work.cancel():
            await asyncio.wait([done])
            done.exception()
        raise
    assert made is not None
    return made


def _shown(part: MediaPart, medium: Medium | Encoded, encoder: MediaEncoder) -> ShownMedium:
    try:
        return ShownMedium(encoder.placeholders[part.modality], encoder.written(medium))
    except ValueError as error:
        raise invalid(f"{part.param} {error}", part.param) from error


def _contents(body: ContainerChatCompletionBody) -> Iterator[tuple[str, MediaContent]]:
    """The parts that are no text, each with its path."""
    for i, message in enumerate(body.messages):
        if isinstance(message, UserMessage) and isinstance(message.content, list):
            for j, part in enumerate(message.content):
                if isinstance(part, MediaContent):
                    yield f"messages.{i}.content.{j}", part


def _modality(part: MediaContent) -> Modality:
    match part:
        case ImageContent():
            return "image"
        case AudioContent():
            return "audio"
    return "video"


def _url(part: MediaContent) -> str:
    match part:
        case ImageContent():
            return part.image_url.url
        case AudioContent():
            return part.audio_url.url
    return part.video_url.url
