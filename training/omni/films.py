"""Draws films: a shape that moves over a plain ground."""

from collections.abc import Callable

import numpy as np

from backend.media import Film, FilmInfo
from training.draw import Draw
from training.omni.pictures import Canvas, Shape, draw_canvas, draw_shape, paint, worn

DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
SIZES = (64, 176)


def moving(draw: Draw, direction: str) -> tuple[Canvas, list[Shape]]:
    """A canvas, and a shape at its place in each frame of a film."""
    shape = draw_shape(draw, (0.12, 0.24))
    canvas = draw_canvas(draw, [shape.colour], SIZES)
    extent, (x, y) = canvas.extent, DIRECTIONS[direction]
    along = 0 if x else 1
    reach = shape.radius + 0.02
    room = extent[along] - 2 * reach
    way = draw.rng.uniform(0.45, 1.0) * room
    start = draw.rng.uniform(reach, reach + room - way)
    across = draw.rng.uniform(reach, extent[1 - along] - reach)
    drift = draw.rng.uniform(-0.03, 0.03)
    count = draw.number(6, 60)
    shapes = []
    for moved in np.linspace(0, 1, count):
        here = start + way * (moved if x + y > 0 else 1 - moved)
        shapes.append(shape.at(*(here, across + drift * moved)[:: -1 if along else 1]))
    return canvas, shapes


def film(draw: Draw, canvas: Canvas, shapes: list[Shape], choose: Callable[[FilmInfo], np.ndarray], key: str) -> Film:
    """The frames that a model chooses of the film in which a shape is at these places, as if they were decoded."""
    rate, count = draw.rng.uniform(5, 30), len(shapes)
    info = FilmInfo(np.arange(count) / rate, count / rate, rate, canvas.height, canvas.width)
    chosen = choose(info)
    frames = np.stack([worn(draw, paint(canvas, [shapes[frame]])) for frame in chosen])
    return Film(frames, chosen, info, None, key)
