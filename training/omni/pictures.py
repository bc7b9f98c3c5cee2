"""Draws pictures: coloured shapes and digits on plain grounds, in many sizes, as people and programs draw them."""

import colorsys
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.draw import Draw

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "black")
HUES = {"red": (-8, 8), "orange": (24, 40), "yellow": (52, 62), "green": (95, 150), "blue": (205, 245)}
HUES |= {"purple": (275, 310)}
"""Degrees, lowest and highest; between two colours is room that neither has."""
LEAST_VALUES = {"green": 0.45, "purple": 0.5, "blue": 0.6, "red": 0.7}
SHAPES = ("circle", "square", "triangle", "star")
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Shape:
    """A filled shape. x, y: of its centre; radius: of the circle around it; all in parts of the canvas's shorter side.

    turn: degrees. ink: its colour in sRGB, of those that are called `colour`.
    """

    kind: str
    colour: str
    ink: Colour
    x: float
    y: float
    radius: float
    turn: float = 0.0

    def at(self, x: float, y: float) -> "Shape":
        return replace(self, x=x, y=y)


@dataclass(frozen=True)
class Canvas:
    """width, height: pixels. ground: the colour of the ground. fine: edges are smooth. border: shapes are outlined."""

    width: int
    height: int
    ground: Colour
    fine: bool = True
    border: bool = False

    @property
    def side(self) -> int:
        """Pixels of the shorter side."""
        return min(self.width, self.height)

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height in parts of the shorter side."""
        return self.width / self.side, self.height / self.side


def draw_canvas(draw: Draw, colours: Sequence[str], sizes: tuple[int, int] = (56, 288)) -> Canvas:
    """A canvas on which shapes of these colours are seen."""
    side = int(math.exp(draw.rng.uniform(math.log(sizes[0]), math.log(sizes[1]))))
    longer = side if draw.chance(0.6) else int(side * draw.rng.uniform(1, 1.6))
    width, height = (side, longer) if draw.chance(0.35) else (longer, side)
    return Canvas(width, height, _ground(draw, colours), draw.chance(0.6), draw.chance(0.1))


def _ground(draw: Draw, colours: Sequence[str]) -> Colour:
    if draw.chance(0.55):
        return (255, 255, 255)
    if "black" not in colours and draw.chance(0.35):
        return (0, 0, 0) if draw.chance(0.5) else _grey(draw, 0, 50)
    return _grey(draw, 205, 255)


def _grey(draw: Draw, low: int, high: int) -> Colour:
    level = draw.number(low, high)
    red, green, blue = (min(max(level + draw.number(-4, 4), 0), 255) for _ in range(3))
    return red, green, blue


def draw_ink(draw: Draw, colour: str) -> Colour:
    """One of the colours in sRGB that are called so; often the plainest."""
    if colour == "black":
        return (0, 0, 0) if draw.chance(0.5) else _grey(draw, 0, 30)
    low, high = HUES[colour]
    hue, saturation = draw.rng.uniform(low, high) % 360 / 360, 1.0 if draw.chance(0.4) else draw.rng.uniform(0.7, 1)
    value = 1.0 if draw.chance(0.3) else draw.rng.uniform(LEAST_VALUES.get(colour, 0.85), 1)
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


def draw_shape(draw: Draw, radius: tuple[float, float], kind: str | None = None, colour: str | None = None) -> Shape:
    """A shape in the canvas's corner, to be put where it should be."""
    kind, colour = kind or draw.pick(SHAPES), colour or draw.pick(COLOURS)
    turn = 0.0 if draw.chance(0.5) else draw.rng.uniform(-9, 9)
    return Shape(kind, colour, draw_ink(draw, colour), 0, 0, draw.rng.uniform(*radius), turn)


def anywhere(draw: Draw, shape: Shape, canvas: Canvas) -> Shape:
    """The shape at a place where all of it is on the canvas."""
    width, height = canvas.extent
    reach = shape.radius + 0.01
    return shape.at(draw.rng.uniform(reach, width - reach), draw.rng.uniform(reach, height - reach))


def apart(draw: Draw, shapes: Sequence[Shape], canvas: Canvas) -> list[Shape] | None:
    """The shapes at places where none touches another; None where none were found."""
    placed: list[Shape] = []
    for shape in shapes:
        for _ in range(40):
            here = anywhere(draw, shape, canvas)
            gaps = (math.dist((here.x, here.y), (o.x, o.y)) - here.radius - o.radius for o in placed)
            if all(gap > 0.08 for gap in gaps):
                placed.append(here)
                break
        else:
            return None
    return placed


def paint(canvas: Canvas, shapes: Sequence[Shape]) -> Image.Image:
    """The picture of shapes on a canvas."""
    scale = 2 if canvas.fine else 1
    image = Image.new("RGB", (canvas.width * scale, canvas.height * scale), canvas.ground)
    pen, side = ImageDraw.Draw(image), canvas.side * scale
    outline, width = ((0, 0, 0), max(1, side // 60)) if canvas.border else (None, 1)
    for shape in shapes:
        x, y, radius = shape.x * side, shape.y * side, shape.radius * side
        if shape.kind == "circle":
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), shape.ink, outline, width)
        else:
            pen.polygon(_corners(shape, x, y, radius), shape.ink, outline, width)
    return image.reduce(scale) if scale > 1 else image


def _corners(shape: Shape, x: float, y: float, radius: float) -> list[tuple[float, float]]:
    count, first = {"square": (4, 45.0), "triangle": (3, -90.0), "star": (10, -90.0)}[shape.kind]
    corners = []
    for i in range(count):
        angle = math.radians(first + shape.turn + 360 * i / count)
        reach = radius * (0.42 if shape.kind == "star" and i % 2 else 1.0)
        corners.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return corners


def paint_digit(draw: Draw, canvas: Canvas, digit: int, ink: Colour) -> Image.Image:
    """A digit in Pillow's own font, large and near the middle, now and then a little turned."""
    scale = 2 if canvas.fine else 1
    side, size = canvas.side * scale, (canvas.width * scale, canvas.height * scale)
    height = draw.rng.uniform(0.6, 0.95) * side
    font = ImageFont.load_default(height)
    stroke = draw.pick([0, 0, round(height / 40)])
    left, top, right, bottom = font.getbbox(str(digit), stroke_width=stroke)
    middle = [part / 2 + draw.rng.uniform(-0.08, 0.08) * side for part in size]
    mask = Image.new("L", size, 0)
    place = (middle[0] - (left + right) / 2, middle[1] - (top + bottom) / 2)
    ImageDraw.Draw(mask).text(place, str(digit), 255, font, stroke_width=stroke)
    if draw.chance(0.4):
        mask = mask.rotate(draw.rng.uniform(-6, 6), Image.Resampling.BILINEAR, center=(middle[0], middle[1]))
    image = Image.new("RGB", size, canvas.ground)
    image.paste(ink, mask=mask)
    return image.reduce(scale) if scale > 1 else image


def worn(draw: Draw, image: Image.Image) -> np.ndarray:
    """uint8 [height, width, 3] of a picture as files have it: now and then compressed with losses, or noisy."""
    if draw.chance(0.3):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=draw.number(60, 95))
        image = Image.open(file)
    pixels = np.asarray(image)
    if draw.chance(0.15):
        noise = np.random.default_rng(draw.rng.getrandbits(32)).normal(0, draw.rng.uniform(0.5, 3), pixels.shape)
        pixels = np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels)
