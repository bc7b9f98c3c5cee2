"""Qwen3-VL: pictures and films of any size through a tower of attention among the patches of a frame.

Four neighbouring patches are one token. What some layers of the tower give is projected too, and added to what the
first layers of the decoder give (DeepStack); rotary embeddings of the decoder turn by the rows and columns of tokens
(M-RoPE).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from backend.media import Film, FilmInfo, Medium, Modality, Picture
from backend.models.errors import CheckpointError
from backend.models.layers import Linear
from backend.models.media.interface import EncoderCall, Program, Run, Written, padded
from backend.models.media.parts import LayerNorm
from backend.models.media.resampling import resize
from backend.models.media.settings import number, pixel_scale
from backend.models.rope import rotate
from backend.models.sources import Flattened, Parameter, Parameters, Stored, linear, within

CHANNELS, EPSILON, THETA = 3, 1e-6, 10_000.0
SIZES = (256, 1024, 4096, 16384)
"""Patches that one call takes, those of a picture or of one step of a film; the last is the most there are of one."""
QUERIES_AT_ONCE = 256
MOST_RATIO = 200
STEM = "model.visual"


@dataclass(frozen=True)
class FrameSizes:
    """least, most: pixels of a picture, or of all frames of a film together."""

    least: int
    most: int


@dataclass(frozen=True)
class Qwen3VLMedia:
    """A `MediaConfig`.

    patch: pixels of a side. merge: patches of a side that are one token. steps: frames of a film that are one step.
    embed, hidden, heads, depth: of the tower. tapped: its layers whose output the decoder's first layers have added.
    side: rows, and columns, of the table of places, which is stretched over a picture. rate, least_frames, most_frames:
    per second, and of a film. tokens: ids of image, video, and of what opens and closes a step of a film.
    """

    patch: int
    merge: int
    steps: int
    embed: int
    hidden: int
    heads: int
    depth: int
    tapped: tuple[int, ...]
    side: int
    theta: float
    picture: FrameSizes
    film: FrameSizes
    rate: float
    least_frames: int
    most_frames: int
    scale: float
    tokens: tuple[tuple[str, int], ...]
    film_sound: bool = False
    both_ways: int = 0

    @property
    def features(self) -> int:
        """One for each layer of the tower that is tapped."""
        return len(self.tapped)

    @property
    def placeholders(self) -> Mapping[Modality, int]:
        """As the chat template writes them, between what opens and closes a picture."""
        return {"image": self._token("image"), "video": self._token("video")}

    @property
    def inputs(self) -> int:
        """Numbers of a patch."""
        return CHANNELS * self.steps * self.patch**2

    @property
    def programs(self) -> tuple[Program, ...]:
        """Patches, their rows and columns, and how their places are made of four of the table."""
        shapes = ((self.inputs,), "float32"), ((2,), "int32"), ((4,), "int32"), ((4,), "float32")
        return tuple(Program("patches", size, tuple(((size, *of), kind) for of, kind in shapes)) for size in SIZES)

    def working_bytes(self, embed: int) -> int:
        """Patches, a layer of the tower with the scores of some queries, and embeddings, in four bytes and in two."""
        queries_keys_values = 6 * (3 + 1) * self.embed
        layer = max(queries_keys_values + 6 * self.heads * QUERIES_AT_ONCE, 6 * self.hidden)
        embeddings = (1 + self.features) * embed // self.merge**2
        return SIZES[-1] * (4 * self.inputs + 6 * self.embed + layer + 6 * embeddings)

    def choose_frames(self, film: FilmInfo) -> np.ndarray:
        """So many per second, evenly spread from the first to the last."""
        total = len(film.times)
        count = min(max(int(total / film.rate * self.rate), self.least_frames), self.most_frames, total)
        return np.linspace(0, total - 1, count).round().astype(int)

    def written(self, medium: Medium) -> Written:
        """The tokens of a picture; of a film those of each step between marks, behind its time."""
        rows, columns = (size // (self.patch * self.merge) for size in self._fit(medium))
        if isinstance(medium, Picture):
            return (Run(self._token("image"), rows * columns, grid=(rows, columns)),)
        assert isinstance(medium, Film)
        run = Run(self._token("video"), rows * columns, grid=(rows, columns))
        times = self._in_steps(medium.chosen) / medium.info.rate
        parts: list[str | int | Run] = []
        for first, last in times[:, [0, -1]].tolist():
            parts += [f"<{(first + last) / 2:.1f} seconds>", self._token("open"), run, self._token("close")]
        return tuple(parts)

    def calls(self, medium: Medium) -> Iterator[EncoderCall]:
        """One for a picture, and for each step of a film: patches see those of their own step only."""
        patches = self.patches(medium)
        places, taps, weights = self._places(*(size // self.patch for size in self._fit(medium)))
        program = next(program for program in self.programs if program.size >= len(places))
        for step in patches:
            call = padded(program, [step, places, taps, weights], [0, -1, 0, 0])
            yield call._replace(rows=len(places) // self.merge**2)

    def patches(self, medium: Medium) -> np.ndarray:
        """float32 [steps, n, inputs], four neighbours after each other."""
        assert isinstance(medium, Picture | Film)
        frames = medium.pixels[None] if isinstance(medium, Picture) else medium.frames
        height, width = self._fit(medium)
        whole = np.float32(0.5 / self.scale)  # as torchvision does: mean and deviation are those of bytes
        pixels = (resize(frames, height, width).astype(np.float32) - whole) / whole
        pixels = pixels[self._in_steps(np.arange(len(pixels)))]
        m, p = self.merge, self.patch
        rows, columns = height // (m * p), width // (m * p)
        blocks = pixels.reshape(len(pixels), self.steps, rows, m, p, columns, m, p, CHANNELS)
        return blocks.transpose(0, 2, 5, 3, 6, 8, 1, 4, 7).reshape(len(pixels), -1, self.inputs)

    def _in_steps(self, frames: np.ndarray) -> np.ndarray:
        """[steps, frames of one], the last frame again where some lack."""
        return np.pad(frames, (0, -len(frames) % self.steps), mode="edge").reshape(-1, self.steps)

    def _places(self, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of each patch: row and column int32 [n, 2], entries of the table [n, 4], and their weights float32 [n, 4]."""
        m = self.merge
        grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1)
        places = grid.reshape(rows // m, m, columns // m, m, 2).transpose(0, 2, 1, 3, 4).reshape(-1, 2)
        sizes = np.array([rows, columns], np.float32)
        at = places.astype(np.float32) * np.float32(self.side - 1) / np.maximum(sizes - 1, 1)
        low = np.floor(at).astype(np.int64)
        high, part = np.minimum(low + 1, self.side - 1), (at - low).astype(np.float32)
        choices = [(low[:, 0], low[:, 1]), (low[:, 0], high[:, 1]), (high[:, 0], low[:, 1]), (high[:, 0], high[:, 1])]
        row, column = part[:, 0], part[:, 1]
        weights = [(1 - row) * (1 - column), (1 - row) * column, row * (1 - column), row * column]
        taps = np.stack([y * self.side + x for y, x in choices], axis=1)
        return places, taps, np.stack(weights, axis=1)

    def _fit(self, medium: Medium) -> tuple[int, int]:
        """Height and width that a picture or frame is resized to."""
        assert isinstance(medium, Picture | Film)
        if isinstance(medium, Picture):
            return _fit(medium.pixels.shape[:2], self.patch, self.merge, self.picture)
        frames = len(medium.frames)
        height, width = medium.frames.shape[1:3]
        factor = self.patch * self.merge
        if min(height, width) < factor:
            scale = max(factor / height, factor / width)
            height, width = int(height * scale), int(width * scale)
        return _fit((height, width), self.patch, self.merge, self.film, frames, self.steps)

    def _token(self, name: str) -> int:
        return dict(self.tokens)[name]


def _fit(
    size: tuple[int, ...], patch: int, merge: int, sizes: FrameSizes, frames: int = 1, steps: int = 1
) -> tuple[int, int]:
    """The nearest whole numbers of tokens, within the pixels that all frames may have together, and programs take.

    Raises ValueError for what is much longer than wide.
    """
    factor = patch * merge
    height, width = size
    if max(size) > MOST_RATIO * min(size):
        raise ValueError(f"has {width} x {height} pixels: one side is more than {MOST_RATIO} times the other")
    fitted = tuple(round(side / factor) * factor for side in size)
    pixels = max(steps, round(frames / steps) * steps) * math.prod(fitted)
    most = min(sizes.most, frames * SIZES[-1] * patch**2)
    if pixels > most:
        beta = math.sqrt(frames * height * width / most)
        fitted = tuple(max(factor, math.floor(side / beta / factor) * factor) for side in size)
    elif pixels < sizes.least:
        beta = math.sqrt(sizes.least / (frames * height * width))
        fitted = tuple(math.ceil(side * beta / factor) * factor for side in size)
    return fitted[0], fitted[1]


def read_media(config: Any, processors: Mapping[str, Mapping[str, Any]]) -> Qwen3VLMedia:
    """Of transformers' configuration, and what its processors' files say. Raises CheckpointError."""
    vision, picture, film = config.vision_config, *(processors.get(f"{k}_processor", {}) for k in ("image", "video"))
    side = math.isqrt(vision.num_position_embeddings)
    names = {"image": "image_token_id", "video": "video_token_id"}
    names |= {"open": "vision_start_token_id", "close": "vision_end_token_id"}
    wanted = {"patch_size": vision.patch_size, "merge_size": vision.spatial_merge_size}
    wanted |= {"temporal_patch_size": vision.temporal_patch_size}
    for given in (picture, film):
        for key, value in wanted.items():
            if given.get(key, value) != value:
                raise CheckpointError(f"{key} is {given[key]} for the processor, but {value} for the model")
    if vision.hidden_act != "gelu_pytorch_tanh" or side**2 != vision.num_position_embeddings:
        raise CheckpointError("vision_config must have hidden_act gelu_pytorch_tanh and a square table of positions")
    if pixel_scale({**picture, "do_normalize": False}) != pixel_scale({**film, "do_normalize": False}):
        raise CheckpointError("rescale_factor must be the same for pictures and films")
    return Qwen3VLMedia(
        patch=vision.patch_size,
        merge=vision.spatial_merge_size,
        steps=vision.temporal_patch_size,
        embed=vision.hidden_size,
        hidden=vision.intermediate_size,
        heads=vision.num_heads,
        depth=vision.depth,
        tapped=tuple(vision.deepstack_visual_indexes),
        side=side,
        theta=float((vision.rope_parameters or {}).get("rope_theta", THETA)),
        picture=_pixels(picture, FrameSizes(65_536, 16_777_216)),
        film=_pixels(film, FrameSizes(131_072, 786_432)),
        rate=float(film.get("fps") or 2),
        least_frames=number(film, "min_frames", 4),
        most_frames=number(film, "max_frames", 768),
        scale=pixel_scale({**picture, "do_normalize": False}),
        tokens=tuple((ours, getattr(config, theirs)) for ours, theirs in names.items()),
    )


def _pixels(given: Mapping[str, Any], usual: FrameSizes) -> FrameSizes:
    """A processor's `size`, whose edges are numbers of pixels."""
    for key in ("image_mean", "image_std"):
        if list(given.get(key) or [0.5] * 3) != [0.5] * 3:
            raise CheckpointError(f"{key} {given[key]!r} of the processor is not supported, only 0.5")
    size = given.get("size") or {}
    found = [size.get(key, value) for key, value in (("shortest_edge", usual.least), ("longest_edge", usual.most))]
    if any(type(value) is not int or value < 1 for value in found):
        raise CheckpointError(f"size must have shortest_edge and longest_edge, numbers of pixels, not {size!r}")
    return FrameSizes(*found)


class Qwen3VLEncoder(nnx.Module):
    """Patches into embeddings of (1 + S) * D numbers, a row for each token."""

    def __init__(self, media: Qwen3VLMedia, embed: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.media, self.dtype = media, jnp.dtype(dtype)
        make = partial(Linear, bias=True, dtype=dtype, rngs=rngs)
        self.patch = make(media.inputs, media.embed)
        self.places = nnx.Param(jnp.zeros((media.side**2, media.embed), dtype))
        self.blocks = nnx.List([_Block(media, dtype=dtype, rngs=rngs) for _ in range(media.depth)])
        self.merger = _Merger(media, embed, False, dtype=dtype, rngs=rngs)
        self.taps = nnx.List([_Merger(media, embed, True, dtype=dtype, rngs=rngs) for _ in media.tapped])

    def __call__(self, kind: str, *inputs: jax.Array) -> jax.Array:
        """Patches float32 [n, inputs], places int32 [n, 2], their entries int32 [n, 4] and weights float32 [n, 4]."""
        patches, places, entries, weights = inputs
        c = self.media
        x = self.patch(patches.astype(self.dtype))
        x = x + (self.places[...][entries] * weights[..., None].astype(self.dtype)).sum(1)
        pairs = c.embed // c.heads // 4
        frequencies = c.theta ** (-jnp.arange(pairs) / pairs)
        angles = (places[:, :, None] * frequencies).reshape(len(places), -1)
        turns, exists = (jnp.cos(angles)[None], jnp.sin(angles)[None]), places[:, 0] >= 0
        taps = {}
        for i, block in enumerate(self.blocks):
            x = block(x, turns, exists)
            if i in c.tapped:
                taps[i] = self.taps[c.tapped.index(i)](x)
        return jnp.concatenate([self.merger(x), *(taps[i] for i in c.tapped)], axis=-1)

    def parameters(self) -> Parameters:
        """Path -> source of each parameter."""
        c = self.media
        kernel = Stored(f"{STEM}.patch_embed.proj.weight", (c.embed, CHANNELS, c.steps, c.patch, c.patch))
        parameters: Parameters = {
            ("patch", "kernel", "values"): Parameter(Flattened(kernel), "II"),
            ("patch", "bias"): Parameter(Stored(f"{STEM}.patch_embed.proj.bias", (c.embed,)), "I"),
            ("places",): Parameter(Stored(f"{STEM}.pos_embed.weight", (c.side**2, c.embed)), "II"),
        }
        for i, block in enumerate(self.blocks):
            parameters |= within(("blocks", i), block.parameters(f"{STEM}.blocks.{i}"))
        parameters |= within(("merger",), self.merger.parameters(f"{STEM}.merger"))
        for i, tap in enumerate(self.taps):
            parameters |= within(("taps", i), tap.parameters(f"{STEM}.deepstack_merger_list.{i}"))
        return parameters


class _Block(nnx.Module):
    """Attention among the patches of a frame, and a feed-forward."""

    def __init__(self, media: Qwen3VLMedia, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.media = media
        make = partial(Linear, bias=True, dtype=dtype, rngs=rngs)
        self.norm1, self.norm2 = LayerNorm(media.embed, EPSILON), LayerNorm(media.embed, EPSILON)
        self.qkv, self.out = make(media.embed, 3 * media.embed), make(media.embed, media.embed)
        self.up, self.down = make(media.embed, media.hidden), make(media.hidden, media.embed)

    def __call__(self, x: jax.Array, turns: tuple[jax.Array, jax.Array], exists: jax.Array) -> jax.Array:
        """x [n, embed]. turns: cosines and sines [1, n, H / 2]. exists: bool [n], False for what fills a call up."""
        qkv = self.qkv(self.norm1(x)).reshape(1, len(x), 3, self.media.heads, -1)
        q, k = (rotate(qkv[:, :, i].astype(jnp.float32), *turns)[0].astype(x.dtype) for i in range(2))
        x = x + self.out(_attend(q, k, qkv[0, :, 2], exists).reshape(len(x), -1))
        return x + self.down(jax.nn.gelu(self.up(self.norm2(x)), approximate=True))

    def parameters(self, stem: str) -> Parameters:
        embed, hidden = self.media.embed, self.media.hidden
        parameters: Parameters = {}
        sizes = {"qkv": ("attn.qkv", embed, 3 * embed), "out": ("attn.proj", embed, embed)}
        sizes |= {"up": ("mlp.linear_fc1", embed, hidden), "down": ("mlp.linear_fc2", hidden, embed)}
        for ours, (theirs, inputs, outputs) in sizes.items():
            parameters |= within((ours,), linear([(f"{stem}.{theirs}", outputs)], inputs, None, True, "II"))
        for name in ("norm1", "norm2"):
            parameters |= within((name,), getattr(self, name).parameters(f"{stem}.{name}"))
        return parameters


def _attend(q: jax.Array, k: jax.Array, v: jax.Array, exists: jax.Array) -> jax.Array:
    """q, k, v [n, heads, H] -> [n, heads, H]: some queries at a time, each over all keys that exist."""

    def some(queries: jax.Array) -> jax.Array:
        scores = jnp.einsum("qnh,knh->nqk", queries, k, preferred_element_type=jnp.float32) * q.shape[-1] ** -0.5
        weights = jax.nn.softmax(jnp.where(exists, scores, -1e30), axis=-1).astype(v.dtype)
        return jnp.einsum("nqk,knh->qnh", weights, v)

    return jax.lax.map(some, q.reshape(-1, QUERIES_AT_ONCE, *q.shape[1:])).reshape(q.shape)


class _Merger(nnx.Module):
    """Four patches into one token. after: normalised together, and not each by itself."""

    def __init__(self, media: Qwen3VLMedia, embed: int, after: bool, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.size, self.embed, self.after = media.embed * media.merge**2, embed, after
        self.norm = LayerNorm(self.size if after else media.embed, EPSILON)
        self.up = Linear(self.size, self.size, bias=True, dtype=dtype, rngs=rngs)
        self.down = Linear(self.size, embed, bias=True, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """x [n, embed of the tower] -> [n / 4, D]."""
        x = x if self.after else self.norm(x)
        x = x.reshape(-1, self.size)
        x = self.norm(x) if self.after else x
        return self.down(jax.nn.gelu(self.up(x), approximate=False))

    def parameters(self, stem: str) -> Parameters:
        parameters = within(("norm",), self.norm.parameters(f"{stem}.norm"))
        parameters |= within(("up",), linear([(f"{stem}.linear_fc1", self.size)], self.size, None, True, "II"))
        return parameters | within(("down",), linear([(f"{stem}.linear_fc2", self.embed)], self.size, None, True, "DI"))
