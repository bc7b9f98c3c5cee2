"""The bundled model that sees and hears, behind the API: files as anybody makes them, and what it says to them."""

import base64
import io
import json
import re
import subprocess
import wave
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from starlette.testclient import TestClient

from handlers.cli.loading import load
from handlers.cli.serve import media_reader
from handlers.service import Service
from handlers.settings import ServeSettings
from tests.handlers.test_media_answers import answer, serving
from tests.media_models import said

ROOT = Path(__file__).parents[2]
RATE = 16_000


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("omni")
    caches = {"grammar_cache": folder / "grammars", "compilation_cache": folder / "programs"}
    given = ServeSettings(model="tiny-omni", max_batch_size=1, max_context_length=256, **caches)
    loaded = load(given)
    service = Service(lambda: replace(loaded, reader=media_reader(given, loaded.encoder)), ["tiny-omni"])
    with serving(service) as client:
        yield client


def part(kind: str, media_type: str, data: bytes) -> dict[str, Any]:
    url = f"data:{media_type};base64,{base64.b64encode(data).decode()}"
    return {"type": f"{kind}_url", f"{kind}_url": {"url": url}}


def drawn(size: tuple[int, int], ground: Any, *shapes: tuple[str, Any, str], mode: str = "RGB") -> Image.Image:
    """A picture of shapes as Pillow's own functions draw them: (function, coordinates, colour)."""
    image = Image.new(mode, size, ground)
    for function, at, colour in shapes:
        getattr(ImageDraw.Draw(image), function)(at, fill=colour)
    return image


def picture(image: Image.Image, kind: str = "PNG") -> dict[str, Any]:
    file = io.BytesIO()
    image.save(file, kind)
    return part("image", f"image/{kind.lower()}", file.getvalue())


def digit(text: str) -> Image.Image:
    image = Image.new("RGB", (160, 160), "white")
    ImageDraw.Draw(image).text((80, 80), text, "black", ImageFont.load_default(120), anchor="mm")
    return image


def sound(*parts: np.ndarray) -> dict[str, Any]:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes((np.concatenate(parts) * 20_000).astype("<i2").tobytes())
    return part("audio", "audio/wav", file.getvalue())


def tone(seconds: float, first: float, last: float | None = None) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * (first * time + ((last or first) - first) * time**2 / (2 * seconds)))


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE))


def film(container: str, codec: str, ground: str, colour: str, way: tuple[int, int]) -> dict[str, Any]:
    """A circle that goes through the middle of 160 x 120 pixels in 20 frames."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=10, options={"preset": "ultrafast"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 10)
        for i in range(20):
            x, y = 80 + way[0] * (i - 10) * 5, 60 + way[1] * (i - 10) * 3
            image = drawn((160, 120), ground, ("ellipse", (x - 18, y - 18, x + 18, y + 18), colour))
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = i, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return part("video", f"video/{container}", file.getvalue())


RED_CIRCLE = picture(drawn((200, 200), "white", ("ellipse", (50, 50, 150, 150), "red")))
THREE = [("rectangle", (x, y, x + 40, y + 40), "blue") for x, y in ((20, 30), (140, 60), (70, 140))]
SQUARE = drawn((320, 240), "white", ("rectangle", (100, 60, 220, 180), "blue"))
TRIANGLE = drawn((128, 128), (0, 0, 0, 0), ("polygon", [(64, 20), (20, 104), (108, 104)], "green"), mode="RGBA")
DOT = drawn((240, 240), "white", ("ellipse", (185, 15, 225, 55), "purple"))
ON_BLACK = drawn((96, 96), "black", ("rectangle", (30, 30, 70, 70), "yellow"))
BEEPS = [tone(0.15, 880), silence(0.15), tone(0.15, 880), silence(0.15), tone(0.15, 880)]
ASKED = {
    "a red circle": (RED_CIRCLE, "What is this?", "A red circle."),
    "its colour": (picture(SQUARE, "JPEG"), "What color is it?", "Blue."),
    "its shape": (picture(TRIANGLE), "Which shape is it?", "A triangle."),
    "on black": (picture(ON_BLACK), "Which color is it?", "Yellow."),
    "where": (picture(DOT, "WEBP"), "Where is the circle?", "In the top right."),
    "how many": (picture(drawn((200, 200), "white", *THREE)), "How many shapes are there?", "3."),
    "one of one": (RED_CIRCLE, "How many shapes are there?", "1."),
    "seven": (picture(digit("7")), "Which digit is it?", "7."),
    "four": (picture(digit("4"), "GIF"), "What number is this?", "4."),
    "high": (sound(tone(0.8, 1760)), "Is the tone high or low?", "High."),
    "low": (sound(tone(0.8, 180)), "What do you hear?", "A low tone."),
    "rising": (sound(tone(0.8, 300, 1000)), "Is the tone rising or falling?", "Rising."),
    "beeps": (sound(*BEEPS), "How many beeps do you hear?", "3."),
    "right": (film("mp4", "libx264", "white", "green", (1, 0)), "Which way does it move?", "To the right."),
    "left": (film("webm", "libvpx-vp9", "white", "red", (-1, 0)), "What happens?", "A red shape moves to the left."),
    "down": (film("mp4", "libx264", "black", "orange", (0, 1)), "Which way does the circle move?", "Down."),
}
"""What is shown -> the part, the question, and the answer."""


@pytest.mark.parametrize("name", ASKED)
def test_it_says_what_is_there(client: TestClient, name: str) -> None:
    shown, question, right = ASKED[name]
    for content in ([shown, said(question)], [said(question), shown]):
        choice = answer(client, *content, max_tokens=24)["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (right, "stop")


def test_the_curl_line_of_the_page_about_media_shows_a_circle(client: TestClient) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "media.md").read_text(encoding="utf-8"), re.DOTALL)
    (command,) = (block for block in blocks if "examples/circle.png" in block)
    # A shell makes the body; what would send it tells it instead.
    script = f'curl() {{ printf %s "${{@: -1}}"; }}; {command}'
    body = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
    response = client.post("/v1/chat/completions", content=body, headers={"Content-Type": "application/json"})
    assert response.json()["choices"][0]["message"]["content"] == "A red circle."


def test_further_questions_are_about_the_same_picture(client: TestClient) -> None:
    said_before = []
    for question, right in (
        ("What is this?", "A red circle."),
        ("What color is it?", "Red."),
        ("Is it a star or a circle?", "A circle."),
    ):
        content = [said(question)] if said_before else [RED_CIRCLE, said(question)]
        message = answer(client, *content, before=tuple(said_before))["choices"][0]["message"]
        assert message["content"] == right
        said_before += [{"role": "user", "content": content}, message]


def test_a_schema_shapes_what_it_says_of_a_picture(client: TestClient) -> None:
    kinds = {"color": ["blue", "green", "red"], "shape": ["circle", "square", "star", "triangle"]}
    schema = {
        "type": "object",
        "properties": {key: {"enum": values} for key, values in kinds.items()},
        "required": list(kinds),
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "seen", "schema": schema}}
    content = [RED_CIRCLE, said("Describe it as JSON.")]
    said_of_it = answer(client, *content, response_format=form, max_tokens=40)["choices"][0]["message"]["content"]
    assert json.loads(said_of_it) == {"color": "red", "shape": "circle"}
    enum = {"type": "json_schema", "json_schema": {"name": "color", "schema": {"enum": ["green", "red", "yellow"]}}}
    content[1] = said("What color is it?")
    assert json.loads(answer(client, *content, response_format=enum)["choices"][0]["message"]["content"]) == "red"


def test_without_a_picture_it_talks(client: TestClient) -> None:
    assert answer(client, said("Hello!"), max_tokens=30)["choices"][0]["message"]["content"].startswith("Hello!")
    asked = answer(client, said("What color is it?"), max_tokens=30)["choices"][0]["message"]["content"]
    assert asked == "Show me a picture first."


def test_what_it_cannot_read_is_answered_all_the_same(client: TestClient) -> None:
    noise = np.random.default_rng(0).integers(256, size=(300, 20, 3), dtype=np.uint8)
    assert answer(client, picture(Image.fromarray(noise)), said("What is this?"))["choices"][0]["message"]["content"]
    assert answer(client, sound(silence(0.05)), said("What do you hear?"))["choices"][0]["message"]["content"]
