"""Draws sounds: tones that are high, low, rising or falling, and beeps to be counted."""

import math

import numpy as np

from backend.media import SAMPLE_RATE
from training.draw import Draw

TONES = ("high", "low", "rising", "falling")
HERTZ = {"low": (110.0, 330.0), "high": (900.0, 2500.0)}
BEEP_HERTZ = (350.0, 1500.0)
FADE = 0.006
"""Seconds in which a tone comes and goes."""


def tone(draw: Draw, kind: str) -> np.ndarray:
    """float32 [samples] of one tone of a kind in `TONES`, half a second to a second long."""
    seconds = draw.rng.uniform(0.45, 1.1)
    if kind in HERTZ:
        hertz = _between(draw, *HERTZ[kind])
        return _finished(draw, [_wave(draw, hertz, hertz, seconds)], 0.2)
    low = _between(draw, 180.0, 600.0)
    ends = [low, low * draw.rng.uniform(1.9, 4.0)]
    first, last = ends if kind == "rising" else ends[::-1]
    return _finished(draw, [_wave(draw, first, last, seconds)], 0.2)


def beeps(draw: Draw, count: int) -> np.ndarray:
    """float32 [samples] of that many short tones of one pitch with pauses between them."""
    hertz, length = _between(draw, *BEEP_HERTZ), draw.rng.uniform(0.1, 0.22)
    pause, parts = draw.rng.uniform(0.12, 0.25), []
    shape = draw.rng.getstate()
    for i in range(count):
        if i:
            parts.append(np.zeros(int(SAMPLE_RATE * pause * draw.rng.uniform(0.95, 1.05)), np.float32))
        again = draw.rng.getstate()
        draw.rng.setstate(shape)
        parts.append(_wave(draw, hertz, hertz, length))
        draw.rng.setstate(again)
    return _finished(draw, parts, 0.25)


def _between(draw: Draw, low: float, high: float) -> float:
    """Evenly by pitch."""
    return math.exp(draw.rng.uniform(math.log(low), math.log(high)))


def _wave(draw: Draw, first: float, last: float, seconds: float) -> np.ndarray:
    """A wave whose pitch goes evenly from the first frequency to the last; its loudest sample is 1."""
    count = int(SAMPLE_RATE * seconds)
    hertz = first * (last / first) ** (np.arange(count) / count)
    phase = 2 * np.pi * (np.cumsum(hertz) / SAMPLE_RATE + draw.rng.random())
    wave = np.sin(phase)
    if draw.chance(0.2):
        wave += draw.rng.uniform(0.1, 0.5) * np.sin(2 * phase) + draw.rng.uniform(0, 0.3) * np.sin(3 * phase)
    elif draw.chance(0.15):
        wave = np.sign(wave)
    fade = np.minimum(np.arange(count), np.arange(count)[::-1]) / (FADE * SAMPLE_RATE)
    return (wave * np.minimum(fade, 1) / np.abs(wave).max()).astype(np.float32)


def _finished(draw: Draw, parts: list[np.ndarray], silence: float) -> np.ndarray:
    """With silence around it, as loud as it comes, now and then with noise and in 8 bits."""
    around = [np.zeros(int(SAMPLE_RATE * draw.rng.uniform(0, silence)), np.float32) for _ in range(2)]
    if draw.chance(0.3):
        around[0] = around[1] = around[0][:0]
    samples = np.concatenate([around[0], *parts, around[1]]) * np.float32(draw.rng.uniform(0.1, 0.95))
    if draw.chance(0.2):
        random = np.random.default_rng(draw.rng.getrandbits(32))
        samples = samples + random.normal(0, draw.rng.uniform(0.0005, 0.005), len(samples)).astype(np.float32)
    if draw.chance(0.1):
        samples = np.rint(samples * 127) / np.float32(127)
    return np.clip(samples, -1, 1).astype(np.float32)
