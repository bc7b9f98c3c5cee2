"""A file's bytes -> the samples of its sound. Imported by the process that decodes alone."""

from typing import Any

import numpy as np
from av.audio.resampler import AudioResampler
from av.container import InputContainer

from backend import SAMPLE_RATE
from handlers.media.containers import Tolerance, limited, opened
from handlers.media.limits import MediaError, MediaLimits, decoded_fits, duration_fits

SAMPLE_BYTES = 4
LEAST_RATE, MOST_RATE = 1_000, 768_000
LOUDEST = float(1 << 31)
"""Of a sample, where full scale is 1: that of 32-bit integers which are taken for floats. What a model computes of more
may be no number."""


def decode_sound(data: bytes, decoder: str, limits: MediaLimits, most: int) -> np.ndarray:
    """float32 [samples] at SAMPLE_RATE of a file's first stream of sound, its channels averaged.

    Raises MediaError for what passes a limit, `most` bytes of samples among them, and for what has no sound.
    """
    with opened(data, decoder) as container:
        if not container.streams.audio:
            raise MediaError("has no sound")
        return samples_of(container, limits, most)


def samples_of(container: InputContainer, limits: MediaLimits, most: int) -> np.ndarray:
    """The same of an open container, from where it is. Raises MediaError for samples that are no numbers too."""
    stream = container.streams.audio[0]
    limited(stream, limits)
    parts: list[np.ndarray] = []
    resampler, tolerance, seconds, size = None, Tolerance(), 0.0, 0
    for packet in container.demux(stream):
        for frame in tolerance.decode(packet):
            resampler = resampler or _resampler(frame, limits)
            seconds += frame.samples / frame.sample_rate
            duration_fits(seconds, limits)
            decoded_fits(int(seconds * SAMPLE_RATE) * SAMPLE_BYTES, most)
            parts += _averaged(resampler, frame)
            size += 1
    tolerance.check()
    if resampler is None:
        raise MediaError("has no sound that can be decoded")
    parts += _averaged(resampler, None)
    if not any(map(len, parts)):
        raise MediaError(f"has sound too short for a sample at {SAMPLE_RATE:,} per second")
    samples = np.concatenate(parts)
    if not (np.abs(samples) <= LOUDEST).all():
        raise MediaError(f"has samples that are no numbers, or more than {LOUDEST:,.0f} times full scale")
    return samples


def _resampler(frame: Any, limits: MediaLimits) -> AudioResampler:
    channels = frame.layout.nb_channels
    if not 1 <= channels <= limits.channels:
        raise MediaError(f"has {channels} channels, and 1 to {limits.channels} are taken")
    if not LEAST_RATE <= frame.sample_rate <= MOST_RATE:
        raise MediaError(f"has {frame.sample_rate:,} samples per second; {LEAST_RATE:,} to {MOST_RATE:,} are taken")
    # Not FFmpeg's own sum of channels: in floats it is louder than what it is the sum of.
    return AudioResampler(format="fltp", layout=frame.layout, rate=SAMPLE_RATE)


def _averaged(resampler: AudioResampler, frame: Any) -> list[np.ndarray]:
    with np.errstate(over="ignore", invalid="ignore"):
        return [part.to_ndarray().mean(axis=0, dtype=np.float32) for part in resampler.resample(frame)]
