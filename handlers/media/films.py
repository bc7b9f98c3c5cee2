"""A file's bytes -> what its film is, and chosen frames of it. Imported by the process that decodes alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from av import VideoFrame
from av.container import InputContainer

from backend import FilmInfo
from handlers.media.containers import Tolerance, limited, opened
from handlers.media.limits import MediaError, MediaLimits, decoded_fits, duration_fits, pixels_fit

CHANNELS = 3
CLOSE = 0.01
"""How far, in parts of it, the container's own rate may be from the one that is counted, to be believed."""


@dataclass(frozen=True, eq=False)
class FilmFile:
    """What is known of a file's film before its frames are decoded.

    stamps, runs: of each packet in the file's order, when its frame is shown, in units of the stream, and which run of
    packets it is of: one begins with each key frame. shown: the stamps of frames that are shown, ascending.
    turns: quarter turns, against the clock, that make frames upright. sound: whether there is any.
    """

    info: FilmInfo
    stamps: np.ndarray
    runs: np.ndarray
    shown: np.ndarray
    turns: int
    sound: bool


def examine_film(data: bytes, decoder: str, limits: MediaLimits) -> FilmFile:
    """Reads a file's packets, and decodes one frame. Raises MediaError for what passes a limit or has no film."""
    with opened(data, decoder) as container:
        stream = _stream(container, limits)
        packets = _read_packets(container, stream, limits)
        shown = np.unique(packets.stamps[packets.visible])
        if not len(shown) or packets.first is None:
            raise MediaError("has a film without a frame that can be decoded")
        turns = round(packets.first.rotation / 90) % 4
        height, width = (packets.first.height, packets.first.width)[:: -1 if turns % 2 else 1]
        unit, duration = float(stream.time_base), packets.duration
        counted, told = len(shown) / duration, float(stream.average_rate or 0)
        rate = told if abs(told - counted) <= CLOSE * counted else counted
        info = FilmInfo((shown - shown[0]) * unit, duration, rate, height, width)
        runs = np.cumsum(packets.keys)
        return FilmFile(info, packets.stamps, runs, shown, turns, bool(container.streams.audio))


def decode_frames(
    data: bytes, decoder: str, film: FilmFile, chosen: Sequence[int], limits: MediaLimits, most: int
) -> np.ndarray:
    """uint8 [chosen, height, width, 3]: what is shown at the time of each, the frame before where one is broken.

    Raises MediaError where there are more than `most` bytes of them, or a frame cannot be had.
    """
    height, width = film.info.height, film.info.width
    decoded_fits(len(chosen) * height * width * CHANNELS, most)
    out, wanted, done = np.empty((len(chosen), height, width, CHANNELS), np.uint8), film.shown[list(chosen)], 0
    with opened(data, decoder) as container:
        shown: VideoFrame | None = None
        for frame in _decoded(container, _stream(container, limits), film, wanted):
            while done < len(wanted) and shown is not None and wanted[done] < frame.pts:
                out[done], done = _pixels(shown, film), done + 1
            shown = frame
        if shown is None:
            raise MediaError("has a film without a frame that can be decoded")
        for at in range(done, len(wanted)):
            out[at] = _pixels(shown, film)
    return out


@dataclass(frozen=True, eq=False)
class _Packets:
    """Of each packet, in the file's order: int64 stamps, whether it is a key frame, whether its frame is shown.

    duration: seconds of all that is shown. first: the first frame that could be decoded.
    """

    stamps: np.ndarray
    keys: np.ndarray
    visible: np.ndarray
    duration: float
    first: VideoFrame | None


def _stream(container: InputContainer, limits: MediaLimits) -> Any:
    if not container.streams.video:
        raise MediaError("has no film")
    stream = container.streams.video[0]
    limited(stream, limits)
    if not stream.time_base:
        raise MediaError("has a film without a unit of time")
    context = stream.codec_context
    if context.width and context.height:
        pixels_fit(context.width, context.height, limits)
    return stream


def _read_packets(container: InputContainer, stream: Any, limits: MediaLimits) -> _Packets:
    stamps: list[int] = []
    keys: list[bool] = []
    visible: list[bool] = []
    first, begin, end, step = None, 0, 0, 0
    for packet in container.demux(stream):
        if first is None:
            first = next(iter(_tolerant(packet)), None)
            if first is not None:
                pixels_fit(first.width, first.height, limits)
        if not packet.size:
            continue  # the end
        if packet.pts is None:
            raise MediaError("has a film with frames that have no times")
        stamps.append(packet.pts)
        keys.append(packet.is_keyframe)
        visible.append(not packet.is_discard)
        if len(stamps) > limits.frames:
            raise MediaError(f"has more than the {limits.frames:,} frames that are taken")
        begin, end = min(stamps[0], begin or stamps[0], packet.pts), max(end, packet.pts)
        step = packet.duration or step
        duration_fits((end - begin) * float(stream.time_base), limits)
    step = step or (round((end - begin) / (len(stamps) - 1)) if len(stamps) > 1 else 1)
    duration = (end - begin + step) * float(stream.time_base)
    duration_fits(duration, limits)
    return _Packets(np.array(stamps, np.int64), np.array(keys, bool), np.array(visible, bool), duration, first)


def _decoded(container: InputContainer, stream: Any, film: FilmFile, wanted: np.ndarray) -> Iterator[VideoFrame]:
    """Frames in the order in which they are shown, of those runs of packets alone that wanted ones depend on."""
    needed, context, tolerance = _needed_runs(film, wanted), stream.codec_context, Tolerance()
    last, at = int(film.runs[0]), 0
    for packet in container.demux(stream):
        if not packet.size or at == len(film.runs):
            break
        run, at = int(film.runs[at]), at + 1
        if run != last and last in needed and run not in needed:
            yield from _timed(context.decode(None))
            context.flush_buffers()
        last = run
        if run in needed:
            yield from _timed(tolerance.decode(packet))
    if last in needed:
        yield from _timed(context.decode(None))
    tolerance.check()


def _needed_runs(film: FilmFile, wanted: np.ndarray) -> set[int]:
    """Those of the wanted frames, and the one before where a frame is shown before the key frame it comes behind."""
    places = np.flatnonzero(np.isin(film.stamps, wanted))
    begins = {int(run): int(film.stamps[at]) for at, run in reversed(list(enumerate(film.runs)))}
    runs = {int(film.runs[at]) for at in places}
    return runs | {int(film.runs[at]) - 1 for at in places if film.stamps[at] < begins[int(film.runs[at])]}


def _timed(frames: Sequence[VideoFrame]) -> Iterator[VideoFrame]:
    return (frame for frame in frames if frame.pts is not None)


def _tolerant(packet: Any) -> list[VideoFrame]:
    return Tolerance().decode(packet)


def _pixels(frame: VideoFrame, film: FilmFile) -> np.ndarray:
    """uint8 [height, width, 3], upright; of the film's size, whatever that of the frame."""
    height, width = (film.info.height, film.info.width)[:: -1 if film.turns % 2 else 1]
    return np.rot90(frame.to_ndarray(format="rgb24", height=height, width=width), film.turns)
