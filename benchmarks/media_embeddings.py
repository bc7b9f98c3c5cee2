"""Milliseconds from a file's bytes to a model's embeddings: a megapixel, ten seconds of sound, ten of film; by turns.

`python -m benchmarks.media_embeddings` (`--quick`: very small models, only to see that it runs). jaxchat: decoded in a
process that can open nothing, made into patches in numpy, embedded by the compiled programs of float32 weights.
transformers: the file by `load_image` and `load_video`, the functions of its own processors on torch (the few of
torchvision's are torch's own), its model in float32 on as many threads as there are cores. Sound is decoded by ours on
both sides, since it has no way of its own without further packages. Both must give the same embeddings.
"""

import argparse
import asyncio
import base64
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch
from transformers.utils import logging as transformers_logging

from backend.engine.media import MediaEncoder
from backend.media import Film, FilmInfo, Medium, Picture, Sound
from backend.models.checkpoint import open_checkpoint
from backend.models.media.interface import EncoderCall
from backend.models.media.qwen3_vl import Qwen3VLMedia
from backend.models.weights import load
from benchmarks import machine, media, media_models
from handlers.media.decoding import Decoders, Decoding
from tests.parity import media as theirs

CLOSE = 0.02
"""How far embeddings may differ, of the largest: a pixel in a hundred is one level off where torch rounds otherwise."""
Side = Callable[[], np.ndarray]


class Compiled:
    """A `ModelRunner` as far as a `MediaEncoder` needs one."""

    def __init__(self, encoder: Any) -> None:
        self._programs = {kind: jax.jit(partial(encoder, kind)) for kind in ("patches", "sound")}

    def embed(self, call: EncoderCall) -> np.ndarray:
        return np.asarray(self._programs[call.program.kind](*call.inputs))[: call.rows]


def main(argv: list[str] | None = None) -> None:
    """Measure every family with every medium that it takes."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.media_embeddings",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=9, help="turns of each (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="very small models, only to see that it runs")
    options = parser.parse_args(argv)
    transformers_logging.set_verbosity_error()  # that the decoder's weights, which nobody uses, have other names
    print(f"load {machine.busy()}; milliseconds of jaxchat, and those of transformers as a ratio to them")
    decoders = Decoders(media.LIMITS, most=1)
    for family in media_models.SIZES:
        with tempfile.TemporaryDirectory() as folder:
            for name, sides in compared(family, media_models.make(family, Path(folder), options.quick), decoders):
                seconds = media.measure(sides, options.rounds, close=CLOSE)
                own, tokens = seconds["jaxchat"], len(sides["jaxchat"]())
                figures = f"{tokens:5} tokens {1000 * own:8.1f} ms {seconds['transformers'] / own:6.2f}"
                print(f"{family:16} {name:20} {figures}", flush=True)
    decoders.close()


def compared(family: str, checkpoint: Path, decoders: Decoders) -> Iterator[tuple[str, dict[str, Side]]]:
    """Name and sides of each medium."""
    decoder = load(open_checkpoint(checkpoint), jnp.float32)
    config = decoder.config.media
    encoder = MediaEncoder(Compiled(decoder.media), config, cache_bytes=0)
    oracle = theirs.oracle(checkpoint).model

    def ours(work: Callable[[Decoding], Medium]) -> Side:
        def embeddings() -> np.ndarray:
            made = encoder.encode(asyncio.run(decoders.run(work)))
            assert made is not None
            return made.embeddings[0]

        return embeddings

    data = media_models.picture(0, "JPEG")
    yield (
        "JPEG, 1 megapixel",
        {
            "jaxchat": ours(lambda decoding: Picture(decoding.picture(data, "JPEG", media.MOST), "p")),
            "transformers": lambda: embedded(oracle, config, loaded(data)),
        },
    )
    film = media.film("libx264")

    def decoded(decoding: Decoding) -> Film:
        info, _ = decoding.film(film, "mov")
        chosen = list(encoder.choose_frames(info))
        return Film(decoding.frames(chosen, media.MOST), np.array(chosen), info, None, "f")

    with media.in_memory(film, ".mp4") as path:
        yield (
            "H.264, 720p, 10 s",
            {
                "jaxchat": ours(decoded),
                "transformers": lambda: embedded(oracle, config, loaded_film(path, encoder)),
            },
        )
    if "audio" in encoder.modalities:
        heard = media.sound("mp3", "libmp3lame")
        own = partial(decoders.run, lambda decoding: Sound(decoding.sound(heard, "mp3", media.MOST), "s"))
        yield (
            "MP3, 10 s",
            {
                "jaxchat": ours(lambda decoding: Sound(decoding.sound(heard, "mp3", media.MOST), "s")),
                "transformers": lambda: embedded(oracle, config, asyncio.run(own())),
            },
        )


def loaded(data: bytes) -> Picture:
    """A picture as transformers reads it, of base64."""
    from transformers.image_utils import load_image

    return Picture(np.array(load_image(base64.b64encode(data).decode())), "p")


def loaded_film(path: str, encoder: MediaEncoder) -> Film:
    """A film as transformers reads it, of a file."""
    from transformers.video_utils import load_video

    total, rate = media.SECONDS * media.RATE, float(media.RATE)
    info = FilmInfo(np.arange(total) / rate, media.SECONDS, rate, *media.SIZE[::-1])
    chosen = np.array(encoder.choose_frames(info))
    frames, _ = load_video(path, sample_indices_fn=lambda **_: chosen, backend="pyav")
    return Film(frames, chosen, info, None, "f")


@torch.no_grad()
def embedded(oracle: Any, config: Any, medium: Medium) -> np.ndarray:
    """float32 [n, D] by transformers' model, of what its processors make of a decoded medium."""
    if isinstance(config, Qwen3VLMedia):
        sizes = config.picture if isinstance(medium, Picture) else config.film
        patches, grid = theirs.qwen3_vl_patches(medium, config.patch, (sizes.least, sizes.most))
        return joined(oracle.get_image_features(patches, torch.tensor([grid])))
    vision, pooling = config.vision, oracle.config.vision_config.pooling_kernel_size
    most = (vision.picture_tokens, vision.frame_tokens)
    inputs = theirs.gemma4_unified_inputs([medium], vision.patch // pooling, pooling, config.sound[0], most)
    kinds = {Picture: oracle.get_image_features, Film: oracle.get_video_features, Sound: oracle.get_audio_features}
    return joined(kinds[type(medium)](**inputs))


def joined(features: Any) -> np.ndarray:
    """Those of all frames, one after the other."""
    found = features.pooler_output
    return torch.cat(list(found)).numpy()


if __name__ == "__main__":
    main()
