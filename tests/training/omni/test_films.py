"""What moves moves where it is said to."""

import random

import numpy as np
import pytest

from training.draw import Draw
from training.omni.films import DIRECTIONS, film, moving
from training.omni.model import FRAMES, media_config


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_shape_moves_in_its_direction_and_hardly_in_others(direction: str) -> None:
    for seed in range(12):
        draw = Draw(random.Random(seed))
        canvas, shapes = moving(draw, direction)
        shown = film(draw, canvas, shapes, media_config().choose_frames, "key")
        assert len(shown.frames) == FRAMES and (np.diff(shown.chosen) > 0).all()
        assert shown.frames.shape[1:] == (canvas.height, canvas.width, 3)
        assert shown.info.duration == pytest.approx(len(shapes) / shown.info.rate)
        centres = np.array([centre(frame, canvas.ground) for frame in shown.frames])
        steps = np.diff(centres, axis=0)
        way = np.array(DIRECTIONS[direction])
        assert (steps @ way > 0).all()
        assert np.abs(steps.sum(axis=0) @ (1 - np.abs(way))) < np.abs(steps.sum(axis=0) @ way) / 2


def centre(frame: np.ndarray, ground: tuple[int, int, int]) -> np.ndarray:
    """x, y of what is there."""
    ys, xs = np.nonzero(np.abs(frame.astype(int) - ground).max(axis=-1) > 50)
    return np.array([xs.mean(), ys.mean()])
