"""Decoded media, as model families take them: arrays that know nothing of files, formats or the network.

`key` is equal only where the content is: it names the modality and the bytes that were decoded.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Modality = Literal["image", "audio", "video"]
MODALITIES: tuple[Modality, ...] = ("image", "audio", "video")
SAMPLE_RATE = 16_000
"""Samples of a `Sound` per second."""


@dataclass(frozen=True, eq=False)
class Picture:
    """pixels: uint8 [height, width, 3], sRGB as the file has it, upright, without transparency."""

    pixels: np.ndarray
    key: str


@dataclass(frozen=True, eq=False)
class Sound:
    """samples: float32 [samples], one channel at SAMPLE_RATE, -1 to 1 (a sum of channels may exceed it a little)."""

    samples: np.ndarray
    key: str

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / SAMPLE_RATE


@dataclass(frozen=True, eq=False)
class FilmInfo:
    """What a film's container says before a frame is decoded: enough to choose frames.

    times: float64 [frames], when each frame is shown, in seconds from the first, ascending. duration: seconds, the last
    frame's included. rate: frames per second, on average. height, width: of a frame, upright.
    """

    times: np.ndarray
    duration: float
    rate: float
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Film:
    """Chosen frames of a film, and its sound where it was asked for and there is one.

    frames: uint8 [chosen, height, width, 3], as a picture's. chosen: int64 [chosen], which frames of the film these
    are, ascending.
    """

    frames: np.ndarray
    chosen: np.ndarray
    info: FilmInfo
    sound: Sound | None
    key: str

    @property
    def times(self) -> np.ndarray:
        """float64 [chosen], seconds from the film's first frame."""
        return self.info.times[self.chosen]


Medium = Picture | Sound | Film
