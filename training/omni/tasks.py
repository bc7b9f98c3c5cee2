"""What the model learns: media that are drawn, and exchanges about them; one generator per task."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backend.media import FilmInfo, Medium, Modality, Picture, Sound
from training.draw import Draw, Phrases, with_articles
from training.omni import films, pictures, sounds, wordings
from training.omni.pictures import COLOURS, SHAPES, Canvas, Shape
from training.tiny.tasks import talk

PLACES = {
    "in the top left": (0.0, 0.0),
    "at the top": (0.5, 0.0),
    "in the top right": (1.0, 0.0),
    "on the left": (0.0, 0.5),
    "in the centre": (0.5, 0.5),
    "on the right": (1.0, 0.5),
    "in the bottom left": (0.0, 1.0),
    "at the bottom": (0.5, 1.0),
    "in the bottom right": (1.0, 1.0),
}
"""Where a shape is -> the place of its centre in what is left of the canvas around it, from its top left corner."""
MOST_SHAPES, MOST_BEEPS = 3, 4
"""Shapes of a picture, and beeps of a sound, that are counted."""
Choose = Callable[[FilmInfo], np.ndarray]
Question = tuple[str, Phrases, str]
"""Name of what is asked, how it is asked, and the answer."""


@dataclass(frozen=True)
class Shown:
    """A medium, and what may be asked of it."""

    modality: Modality
    medium: Medium
    questions: list[Question]


@dataclass(frozen=True)
class Chat:
    """messages: a conversation whose last message is the assistant's, parts of media as chat templates take them.

    media: what is shown, in order.
    """

    messages: list[dict[str, Any]]
    media: list[Medium]


def one_shape(draw: Draw, choose: Choose) -> Shown:
    """A shape of any size anywhere."""
    shape = pictures.draw_shape(draw, (0.18, 0.47))
    canvas = pictures.draw_canvas(draw, [shape.colour])
    other = draw.pick([kind for kind in SHAPES if kind != shape.kind])
    either = " or a ".join([shape.kind, other][:: draw.pick([1, -1])])
    questions = [
        ("describe", wordings.DESCRIBE, with_articles(f"A {shape.colour} {shape.kind}.")),
        ("colour", wordings.COLOUR, f"{shape.colour.capitalize()}."),
        ("shape", wordings.SHAPE, f"A {shape.kind}."),
        ("json", wordings.JSON, f'{{"color": "{shape.colour}", "shape": "{shape.kind}"}}'),
        ("either", _of(wordings.EITHER, either), f"A {shape.kind}."),
    ]
    return _picture(draw, canvas, [pictures.anywhere(draw, shape, canvas)], questions)


def placed_shape(draw: Draw, choose: Choose) -> Shown:
    """A small shape at one of nine places."""
    shape = pictures.draw_shape(draw, (0.12, 0.2))
    canvas = pictures.draw_canvas(draw, [shape.colour])
    (place, middle), extent = draw.pick(list(PLACES.items())), canvas.extent
    reach = shape.radius + 0.01
    x, y = (reach + (size - 2 * reach) * _near(draw, at) for size, at in zip(extent, middle, strict=True))
    questions = [
        ("place", _of(wordings.PLACE, shape.kind), f"{place.capitalize()}."),
        ("describe", wordings.DESCRIBE, with_articles(f"A {shape.colour} {shape.kind}.")),
        ("colour", wordings.COLOUR, f"{shape.colour.capitalize()}."),
    ]
    return _picture(draw, canvas, [shape.at(x, y)], questions)


def _near(draw: Draw, at: float) -> float:
    return min(max(at + draw.rng.uniform(-0.1, 0.1), 0), 1) if at == 0.5 else abs(at - draw.rng.uniform(0, 0.16))


def several_shapes(draw: Draw, choose: Choose) -> Shown:
    """Up to `MOST_SHAPES` shapes, mostly all alike."""
    while True:
        count = draw.number(1, MOST_SHAPES)
        radius = (0.12, 0.14 + 0.14 / count)
        if draw.chance(0.75):
            kind, colour = draw.pick(SHAPES), draw.pick(COLOURS)
            first = pictures.draw_shape(draw, radius, kind, colour)
            shapes = [first] * count
        else:
            shapes = [pictures.draw_shape(draw, radius) for _ in range(count)]
        canvas = pictures.draw_canvas(draw, [shape.colour for shape in shapes], (80, 288))
        placed = pictures.apart(draw, shapes, canvas)
        if placed is not None:
            break
    questions = [("count", wordings.COUNT, f"{count}.")]
    if count > 1:
        questions.append(("describe", wordings.DESCRIBE, f"{count} shapes."))
    if len({shape.kind for shape in shapes}) == 1:
        questions.append(("count", _of(wordings.COUNT_KIND, f"{shapes[0].kind}s"), f"{count}."))
    return _picture(draw, canvas, placed, questions)


def one_digit(draw: Draw, choose: Choose) -> Shown:
    """A digit in a colour."""
    digit, colour = draw.number(0, 9), "black" if draw.chance(0.4) else draw.pick(COLOURS)
    canvas = pictures.draw_canvas(draw, [colour])
    ink = pictures.draw_ink(draw, colour)
    white = canvas.ground == (0, 0, 0) and draw.chance(0.5)
    image = pictures.paint_digit(draw, canvas, digit, (255, 255, 255) if white else ink)
    questions = [("digit", wordings.DIGIT, f"{digit}."), ("describe", wordings.DESCRIBE, f"The digit {digit}.")]
    return Shown("image", Picture(pictures.worn(draw, image), _key(draw)), questions)


def _picture(draw: Draw, canvas: Canvas, shapes: Sequence[Shape], questions: list[Question]) -> Shown:
    pixels = pictures.worn(draw, pictures.paint(canvas, shapes))
    return Shown("image", Picture(pixels, _key(draw)), questions)


def one_tone(draw: Draw, choose: Choose) -> Shown:
    """A tone that is high, low, rising or falling."""
    kind = draw.pick(sounds.TONES)
    questions = [
        ("tone", wordings.TONE, f"A {kind} tone."),
        ("hear", wordings.HEAR, f"A {kind} tone."),
        ("pitch", wordings.HIGH_OR_LOW if kind in sounds.HERTZ else wordings.RISES_OR_FALLS, f"{kind.capitalize()}."),
    ]
    return Shown("audio", Sound(sounds.tone(draw, kind), _key(draw)), questions)


def some_beeps(draw: Draw, choose: Choose) -> Shown:
    """Up to `MOST_BEEPS` beeps."""
    count = draw.number(1, MOST_BEEPS)
    questions = [("beeps", wordings.BEEPS, f"{count}.")]
    if count > 1:
        questions.append(("hear", wordings.HEAR, f"{count} beeps."))
    return Shown("audio", Sound(sounds.beeps(draw, count), _key(draw)), questions)


def moving_shape(draw: Draw, choose: Choose) -> Shown:
    """A film of a shape that moves."""
    direction = draw.pick(list(films.DIRECTIONS))
    canvas, shapes = films.moving(draw, direction)
    towards = direction if direction in ("up", "down") else f"to the {direction}"
    questions = [
        ("direction", _of(wordings.DIRECTION, shapes[0].kind), f"{towards.capitalize()}."),
        ("direction", _of(wordings.DIRECTION, "shape"), f"{towards.capitalize()}."),
        ("watch", wordings.WATCH, with_articles(f"A {shapes[0].colour} shape moves {towards}.")),
        ("film_colour", wordings.FILM_COLOUR, f"{shapes[0].colour.capitalize()}."),
    ]
    return Shown("video", films.film(draw, canvas, shapes, choose, _key(draw)), questions)


def _of(phrases: Phrases, thing: str) -> Phrases:
    """Phrases that speak of a thing."""
    return Phrases(*([text.replace("{}", thing) for text in texts] for texts in (phrases.train, phrases.held_out)))


def _key(draw: Draw) -> str:
    return f"drawn:{draw.rng.getrandbits(64)}"


MEDIA: dict[str, Callable[[Draw, Choose], Shown]] = {
    "one_shape": one_shape,
    "placed_shape": placed_shape,
    "several_shapes": several_shapes,
    "one_digit": one_digit,
    "one_tone": one_tone,
    "some_beeps": some_beeps,
    "moving_shape": moving_shape,
}
"""What is shown -> how it is drawn."""
USUAL = dict.fromkeys(MEDIA, 1.0)
"""Weights by which each is shown as often as any other."""
TALK_SHARE = 0.06
TASKS = {
    "describe": "one_shape",
    "colour": "one_shape",
    "shape": "one_shape",
    "json": "one_shape",
    "either": "one_shape",
    "place": "placed_shape",
    "count": "several_shapes",
    "digit": "one_digit",
    "tone": "one_tone",
    "pitch": "one_tone",
    "beeps": "some_beeps",
    "direction": "moving_shape",
    "watch": "moving_shape",
    "film_colour": "moving_shape",
}
"""What is asked in the evaluation -> what is shown."""


ABSENT = {
    "a picture": (wordings.COLOUR, wordings.SHAPE, wordings.COUNT, wordings.DIGIT),
    "a sound": (wordings.TONE, wordings.BEEPS, wordings.HEAR),
    "a film": (wordings.WATCH,),
}
"""What is asked for where nothing is shown -> questions about it."""


def chat(draw: Draw, choose: Choose, weights: Mapping[str, float]) -> Chat:
    """A conversation for training: one medium and up to four questions about it, or words alone.

    weights: how often each kind in `MEDIA` is shown.
    """
    if draw.chance(TALK_SHARE):
        return _talk(draw)
    shown = MEDIA[draw.rng.choices(list(weights), list(weights.values()))[0]](draw, choose)
    questions = draw.some(shown.questions, min(len(shown.questions), draw.pick([1, 2, 4, 4, 4])))
    messages = _asked(draw, shown, questions)
    if draw.chance(0.02):
        messages += _spoken(talk.unknown(draw))
    return Chat(_introduced(draw, messages), [shown.medium])


def exam(draw: Draw, task: str, choose: Choose) -> Chat:
    """One question of a task in `TASKS`, and nothing else."""
    shown = MEDIA[TASKS[task]](draw, choose)
    return Chat(_asked(draw, shown, [draw.pick([q for q in shown.questions if q[0] == task])]), [shown.medium])


def _asked(draw: Draw, shown: Shown, questions: Sequence[Question]) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for i, (_, phrases, answer) in enumerate(questions):
        text = draw.casual(draw.phrase(phrases))
        content: Any = text
        if not i:
            content = [{"type": shown.modality}, {"type": "text", "text": text}][:: draw.pick([1, -1])]
        messages += [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
    return messages


def _talk(draw: Draw) -> Chat:
    exchanges = [draw.pick([talk.greeting, talk.greeting, talk.small_talk, talk.unknown, _nothing_shown])(draw)]
    if draw.chance(0.2):
        exchanges.append(talk.small_talk(draw))
    return Chat(_introduced(draw, [message for exchange in exchanges for message in _spoken(exchange)]), [])


def _nothing_shown(draw: Draw) -> list[dict[str, Any]]:
    """A question about a medium that is not there."""
    medium, phrases = draw.pick([(medium, phrases) for medium, asked in ABSENT.items() for phrases in asked])
    asked, answer = draw.casual(draw.phrase(phrases)), f"Show me {medium} first."
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def _spoken(exchange: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Words of the model that knows text alone, as this one says them."""
    said = [{"role": m["role"], "content": wordings.OWN.get(m["content"], m["content"])} for m in exchange]
    return [message for message in said if message["role"] != "system"]


def _introduced(draw: Draw, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if draw.chance(0.8):
        return messages
    return [{"role": "system", "content": draw.pick(wordings.SYSTEM_MESSAGES)}, *messages]
