"""Gemma 4 unified: pictures, film and sound without a tower. Patches and pieces of the waveform are tokens.

A patch of 48 x 48 pixels is normalised and projected, gets an embedding of its column and one of its row, and is
projected into the decoder's space; so are 640 samples of sound as they are. Patches of one picture or frame see each
other.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from backend.media import FilmInfo, Medium, Modality, Picture, Sound
from backend.models.errors import CheckpointError
from backend.models.layers import Linear, RMSNorm
from backend.models.media.interface import EncoderCall, Program, Run, Written, padded
from backend.models.media.parts import LayerNorm
from backend.models.media.resampling import resize
from backend.models.media.settings import number, pixel_scale
from backend.models.sources import Parameter, Parameters, Stored, linear, within

CHANNELS = 3
SIZES = (64, 256)
"""Patches, or pieces of sound, that one call of the encoder takes."""
STEM = "model.vision_embedder"


@dataclass(frozen=True)
class VisionSizes:
    """patch: pixels of a side. picture_tokens, frame_tokens: most patches of a picture and of a film's frame.

    frames: most of a film. embed: numbers of a patch before the last projection. positions: columns, and rows, that
    have an embedding. epsilon: of the norm before the last projection. scale: colours of a picture are bytes times
    this; frame_scale: those of a frame are bytes over this.
    """

    patch: int
    picture_tokens: int
    frame_tokens: int
    frames: int
    embed: int
    positions: int
    epsilon: float
    scale: np.float32
    frame_scale: np.float32


@dataclass(frozen=True)
class Gemma4UnifiedMedia:
    """A `MediaConfig`. vision, sound: None where the checkpoint has none; sound: samples of a token, epsilon.

    tokens: ids of image, video, audio, and of what opens and closes a picture (boi, eoi) and a sound (boa, eoa).
    sees_both_ways: the patches of a picture or frame see each other.
    """

    vision: VisionSizes | None
    sound: tuple[int, float] | None
    tokens: tuple[tuple[str, int], ...]
    sees_both_ways: bool
    film_sound: bool = False
    features: int = 0

    @property
    def placeholders(self) -> Mapping[Modality, int]:
        """As the chat template writes them: the ids that fill runs, too."""
        vision: tuple[Modality, ...] = ("image", "video") if self.vision else ()
        sound: tuple[Modality, ...] = ("audio",) if self.sound else ()
        return {modality: self._token(modality) for modality in (*vision, *sound)}

    @property
    def both_ways(self) -> int:
        """Tokens of a picture, which are more than those of a frame."""
        if self.vision is None or not self.sees_both_ways:
            return 0
        return max(self.vision.picture_tokens, self.vision.frame_tokens)

    @property
    def programs(self) -> tuple[Program, ...]:
        """Patches with their columns and rows, and pieces of sound."""
        programs = []
        for size in SIZES:
            if self.vision is not None:
                pixels = ((size, self.vision.patch**2 * CHANNELS), "float32")
                programs.append(Program("patches", size, (pixels, ((size, 2), "int32"))))
            if self.sound is not None:
                programs.append(Program("sound", size, (((size, self.sound[0]), "float32"),)))
        return tuple(programs)

    def working_bytes(self, embed: int) -> int:
        """Patches as they are given, normalised in four bytes and in two, and twice embedded: all in four bytes."""
        pixels, places = (0, 0) if self.vision is None else (self.vision.patch**2 * CHANNELS, self.vision.embed)
        samples = 0 if self.sound is None else self.sound[0]
        return 4 * SIZES[-1] * (4 * max(pixels, samples) + 4 * places + 2 * embed)

    def choose_frames(self, film: FilmInfo) -> np.ndarray:
        """Evenly spread, all of them if there are few."""
        assert self.vision is not None
        count, total = min(self.vision.frames, len(film.times)), len(film.times)
        return np.arange(count) * total // count

    def written(self, medium: Medium) -> Written:
        """A picture or a sound between its marks; each frame of a film like a picture, behind its minute and second."""
        if isinstance(medium, Sound):
            length = len(self._pieces(medium))
            if not length:
                raise ValueError("has no samples")
            return self._token("boa"), Run(self._token("audio"), length), self._token("eoa")
        columns, rows = self._grid(medium)
        name: Modality = "image" if isinstance(medium, Picture) else "video"
        run = Run(self._token(name), columns * rows, self.sees_both_ways)
        marked = (self._token("boi"), run, self._token("eoi"))
        if isinstance(medium, Picture):
            return marked
        written: list[str | int | Run] = []
        for i, frame in enumerate(medium.chosen):
            seconds = float(frame) / medium.info.rate
            time = f"{int(seconds // 60):02d}:{int(seconds % 60):02d} "
            written += [f" {time}" if i else time, *marked]
        return tuple(written)

    def calls(self, medium: Medium) -> Iterator[EncoderCall]:
        """As many patches or pieces at a time as there are, or the largest program takes."""
        if isinstance(medium, Sound):
            yield from self._calls("sound", [self._pieces(medium)], [0])
        else:
            patches, places = self.patches(medium)
            yield from self._calls("patches", [patches, places], [0, -1])

    def patches(self, medium: Medium) -> tuple[np.ndarray, np.ndarray]:
        """Of a picture or of a film's frames: patches float32 [n, patch * patch * 3], their columns and rows [n, 2]."""
        assert self.vision is not None and not isinstance(medium, Sound)
        side, (columns, rows) = self.vision.patch, self._grid(medium)
        picture = isinstance(medium, Picture)
        frames = medium.pixels[None] if isinstance(medium, Picture) else medium.frames
        pixels = resize(frames, rows * side, columns * side)
        patches = pixels.reshape(len(frames), rows, side, columns, side, CHANNELS).transpose(0, 1, 3, 2, 4, 5)
        colours = patches.reshape(len(frames) * rows * columns, -1).astype(np.float32)
        scaled = colours * self.vision.scale if picture else colours / self.vision.frame_scale
        grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
        return scaled, np.tile(grid, (len(frames), 1))

    def _pieces(self, sound: Sound) -> np.ndarray:
        """float32 [n, samples of a token], silence at the end of the last."""
        assert self.sound is not None
        size = self.sound[0]
        return np.pad(sound.samples, (0, -len(sound.samples) % size)).reshape(-1, size)

    def _calls(self, kind: str, arrays: list[np.ndarray], fill: list[float]) -> Iterator[EncoderCall]:
        programs, start, total = [p for p in self.programs if p.kind == kind], 0, len(arrays[0])
        while start < total:
            fitting = [program for program in programs if program.size >= total - start]
            program = fitting[0] if fitting else programs[-1]
            yield padded(program, [array[start : start + program.size] for array in arrays], fill)
            start += program.size

    def _grid(self, medium: Medium) -> tuple[int, int]:
        """Patches along the width and along the height."""
        assert self.vision is not None and not isinstance(medium, Sound)
        picture = isinstance(medium, Picture)
        shape = medium.pixels.shape if isinstance(medium, Picture) else medium.frames.shape[1:]
        most = self.vision.picture_tokens if picture else self.vision.frame_tokens
        return _fit(shape[1], shape[0], self.vision.patch, most)

    def _token(self, name: str) -> int:
        return dict(self.tokens)[name]


def _fit(width: int, height: int, side: int, most: int) -> tuple[int, int]:
    """Patches along the width and along the height: the most that keep the ratio of the sides and are at most `most`.

    Raises ValueError where a picture is so narrow that none fit.
    """
    factor = math.sqrt(most * side**2 / (width * height))
    columns, rows = int(factor * width / side), int(factor * height / side)
    if not columns and not rows:
        raise ValueError(f"has {width} x {height} pixels, which is too narrow to be seen")
    if not rows:
        return min(width // height, most), 1
    if not columns:
        return 1, min(height // width, most)
    return columns, rows


def read_media(config: Any, processors: Mapping[str, Mapping[str, Any]]) -> Gemma4UnifiedMedia | None:
    """Of transformers' configuration, and what its processors' files say; None for a checkpoint of text alone.

    Raises CheckpointError.
    """
    vision, audio = config.vision_config, config.audio_config
    sizes = None if vision is None else _read_vision(vision, processors)
    sound = None if audio is None else (audio.audio_embed_dim, audio.rms_norm_eps)
    if sizes is None and sound is None:
        return None
    own = processors.get("feature_extractor", {}).get("audio_samples_per_token", sound and sound[0])
    if sound is not None and own != sound[0]:
        raise CheckpointError(f"audio_samples_per_token is {own}, but audio_config.audio_embed_dim {sound[0]}")
    names = {"image": "image_token_id", "video": "video_token_id", "audio": "audio_token_id", "boi": "boi_token_id"}
    names |= {"eoi": "eoi_token_id", "boa": "boa_token_id", "eoa": "eoa_token_index"}
    tokens = {ours: getattr(config, theirs) for ours, theirs in names.items()}
    vocab = config.text_config.vocab_size
    for ours, theirs in names.items():
        if type(tokens[ours]) is not int or not 0 <= tokens[ours] < vocab:
            raise CheckpointError(f"{theirs} must be a token's id below {vocab}, not {tokens[ours]!r}")
    both_ways = config.text_config.use_bidirectional_attention == "vision"
    return Gemma4UnifiedMedia(sizes, sound, tuple(tokens.items()), both_ways)


def _read_vision(vision: Any, processors: Mapping[str, Mapping[str, Any]]) -> VisionSizes:
    picture, film = ({**processors.get(f"{kind}_processor", {})} for kind in ("image", "video"))
    for given in (picture, film):
        for key, value in (("patch_size", vision.patch_size), ("pooling_kernel_size", vision.pooling_kernel_size)):
            if given.get(key, value) != value:
                raise CheckpointError(f"{key} is {given[key]} for the processor, but {value} for the model")
    sizes = VisionSizes(
        patch=vision.patch_size * vision.pooling_kernel_size,
        picture_tokens=number(picture, "max_soft_tokens", 280),
        frame_tokens=number(film, "max_soft_tokens", 70),
        frames=number(film, "num_frames", 32),
        embed=vision.mm_embed_dim,
        positions=vision.mm_posemb_size,
        epsilon=vision.rms_norm_eps,
        scale=np.float32(pixel_scale(picture)),
        frame_scale=np.float32(1 / pixel_scale(film)),
    )
    most = max(sizes.picture_tokens, sizes.frame_tokens)
    if most > sizes.positions:
        raise CheckpointError(f"max_soft_tokens {most} is more than mm_posemb_size {sizes.positions} has places for")
    return sizes


class Gemma4UnifiedEncoder(nnx.Module):
    """Patches and pieces of sound into embeddings of D numbers, each by itself."""

    def __init__(self, media: Gemma4UnifiedMedia, embed: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.media, self.embed, self.dtype = media, embed, jnp.dtype(dtype)
        self.vision = None if media.vision is None else _Vision(media.vision, embed, dtype=dtype, rngs=rngs)
        self.sound = None if media.sound is None else _Projection(*media.sound, embed, dtype=dtype, rngs=rngs)

    def __call__(self, kind: str, *inputs: jax.Array) -> jax.Array:
        """kind "patches": float32 [n, patch * patch * 3] and places int32 [n, 2]; "sound": float32 [n, samples]."""
        if kind == "patches":
            assert self.vision is not None
            return self.vision(inputs[0].astype(self.dtype), inputs[1])
        assert self.sound is not None
        return self.sound(inputs[0].astype(self.dtype))

    def parameters(self) -> Parameters:
        """Path -> source of each parameter."""
        parameters = {} if self.vision is None else within(("vision",), self.vision.parameters())
        sound = {} if self.sound is None else self.sound.parameters("model.embed_audio")
        return parameters | within(("sound",), sound)


class _Projection(nnx.Module):
    """RMSNorm without a scale, and a projection into the decoder's space."""

    def __init__(self, size: int, epsilon: float, embed: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.size, self.embed = size, embed
        self.norm = RMSNorm(size, epsilon, scaled=False)
        self.linear = Linear(size, embed, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.linear(self.norm(x))

    def parameters(self, stem: str) -> Parameters:
        names = [(f"{stem}.embedding_projection", self.embed)]
        return within(("linear",), linear(names, self.size, None, False, "DI"))


class _Vision(nnx.Module):
    """Patches with their places into embeddings."""

    def __init__(self, sizes: VisionSizes, embed: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.sizes, self.pixels = sizes, sizes.patch**2 * CHANNELS
        self.in_norm, self.patch_norm = LayerNorm(self.pixels), LayerNorm(sizes.embed)
        self.place_norm = LayerNorm(sizes.embed)
        self.patch = Linear(self.pixels, sizes.embed, bias=True, dtype=dtype, rngs=rngs)
        self.places = nnx.Param(jnp.zeros((sizes.positions, 2, sizes.embed), dtype))
        self.out = _Projection(sizes.embed, sizes.epsilon, embed, dtype=dtype, rngs=rngs)

    def __call__(self, patches: jax.Array, places: jax.Array) -> jax.Array:
        x = self.patch_norm(self.patch(self.in_norm(patches)))
        x = x + self.places[...][jnp.maximum(places, 0), jnp.arange(2)].sum(1)
        return self.out(self.place_norm(x))

    def parameters(self) -> Parameters:
        sizes = self.sizes
        parameters = within(("patch",), linear([(f"{STEM}.patch_dense", sizes.embed)], self.pixels, None, True, "DI"))
        places = Stored(f"{STEM}.pos_embedding", (sizes.positions, 2, sizes.embed))
        parameters["places",] = Parameter(places, "I1D")
        for name, theirs in (("in_norm", "patch_ln1"), ("patch_norm", "patch_ln2"), ("place_norm", "pos_norm")):
            parameters |= within((name,), getattr(self, name).parameters(f"{STEM}.{theirs}"))
        return parameters | within(("out",), self.out.parameters("model.embed_vision"))
