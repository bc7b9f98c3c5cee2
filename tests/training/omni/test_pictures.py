"""What is drawn is what it is said to be."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageColor

from training.draw import Draw
from training.omni.pictures import (
    COLOURS,
    HUES,
    SHAPES,
    Canvas,
    Shape,
    anywhere,
    apart,
    draw_canvas,
    draw_ink,
    draw_shape,
    paint,
    paint_digit,
    worn,
)

seeds = st.integers(0, 2**32)
few = settings(max_examples=25, deadline=None)
AREAS = {"circle": (0.72, 0.82), "square": (0.8, 1.01), "triangle": (0.45, 0.58), "star": (0.22, 0.42)}
"""Share of its bounding box that each shape covers."""


def drawing(seed: int) -> Draw:
    return Draw(random.Random(seed))


def covered(pixels: np.ndarray, ground: tuple[int, int, int]) -> np.ndarray:
    """bool [height, width], where there is something."""
    return np.abs(pixels.astype(int) - ground).max(axis=-1) > 60


@given(seeds)
@few
def test_a_shape_is_whole_where_it_was_put_and_covers_what_its_kind_covers(seed: int) -> None:
    draw = drawing(seed)
    colour = draw.pick([colour for colour in COLOURS if colour != "yellow"])  # which is hardly darker than white
    canvas = Canvas(draw.number(120, 200), draw.number(120, 200), (255, 255, 255))
    shape = anywhere(draw, draw_shape(draw, (0.2, 0.45), colour=colour), canvas)
    found = covered(np.asarray(paint(canvas, [shape])), canvas.ground)
    ys, xs = np.nonzero(found)
    x, y, reach = (part * canvas.side for part in (shape.x, shape.y, shape.radius))
    assert abs(xs.min() + xs.max() - 2 * x) < 0.7 * reach and abs(ys.min() + ys.max() - 2 * y) < 0.7 * reach
    assert xs.min() >= x - reach - 1 and xs.max() <= x + reach + 1
    box = (xs.max() - xs.min() + 1) * (ys.max() - ys.min() + 1)
    low, high = AREAS[shape.kind]
    assert low * 0.85 <= found.sum() / box <= high


@given(seeds, st.sampled_from(COLOURS))
@few
def test_a_colour_is_nearest_to_what_its_name_means_elsewhere(seed: int, colour: str) -> None:
    ink = np.array(draw_ink(drawing(seed), colour), float)
    if colour == "black":
        assert ink.max() < 50
        return
    named = {name: np.array(ImageColor.getrgb(name), float) for name in HUES}
    directions = {name: value / np.linalg.norm(value) for name, value in named.items()}
    nearest = max(directions, key=lambda name: directions[name] @ (ink / np.linalg.norm(ink)))
    assert nearest == colour


@given(seeds)
@few
def test_shapes_apart_are_as_many_as_are_seen(seed: int) -> None:
    draw = drawing(seed)
    canvas = Canvas(160, 160, (255, 255, 255))
    count = draw.number(1, 5)
    shapes = apart(draw, [draw_shape(draw, (0.1, 0.13), colour="blue") for _ in range(count)], canvas)
    if shapes is not None:
        assert len(shapes) == count == islands(covered(np.asarray(paint(canvas, shapes)), canvas.ground))


def islands(found: np.ndarray) -> int:
    """How many parts hang together, by filling one after the other."""
    left, count = {(int(y), int(x)) for y, x in np.argwhere(found)}, 0
    while left:
        count, edge = count + 1, [left.pop()]
        while edge:
            y, x = edge.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near
    return count


@given(seeds, st.integers(0, 9))
@few
def test_a_digit_is_whole_and_near_the_middle(seed: int, digit: int) -> None:
    draw = drawing(seed)
    canvas = Canvas(120, 100, (255, 255, 255))
    ys, xs = np.nonzero(covered(np.asarray(paint_digit(draw, canvas, digit, (0, 0, 0))), canvas.ground))
    assert abs(xs.min() + xs.max() - 120) / 2 < 25 and abs(ys.min() + ys.max() - 100) / 2 < 25
    assert ys.max() - ys.min() > 25


@given(seeds)
@few
def test_pictures_differ_from_their_grounds_and_little_from_what_was_painted(seed: int) -> None:
    draw = drawing(seed)
    shape = draw_shape(draw, (0.2, 0.4))
    canvas = draw_canvas(draw, [shape.colour])
    painted = paint(canvas, [anywhere(draw, shape, canvas)])
    pixels = worn(draw, painted)
    assert pixels.shape == (canvas.height, canvas.width, 3) and pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.asarray(painted)).mean() < 8
    assert np.abs(np.array(shape.ink) - canvas.ground).max() > 40


@pytest.mark.parametrize("kind", SHAPES)
def test_the_same_seed_draws_the_same(kind: str) -> None:
    canvas = Canvas(64, 64, (0, 0, 0))
    first, second = (anywhere(draw, draw_shape(draw, (0.2, 0.4), kind), canvas) for draw in (drawing(3), drawing(3)))
    assert first == second and isinstance(first, Shape)
    np.testing.assert_array_equal(*(np.asarray(paint(canvas, [shape])) for shape in (first, second)))
