"""What the order of a fused kernel's rows costs on this machine: one step of some layers, three ways, by turns.

fused: query, key and value one after the other, gate and up one after the other, as checkpoints have them.
interleaved: by kv head and by hidden unit, as the decoder has them, which a mesh of devices splits without an exchange.
apart: one kernel each. Ratios are of the time of the first, medians of rounds.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console
from rich.table import Table

from backend import device, native

Step = Callable[[list, jax.Array], jax.Array]


@dataclass(frozen=True)
class Sizes:
    """Of the layers that are measured; letters as in docs/architecture.md."""

    embed: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    layers: int

    @property
    def group(self) -> int:
        """G, query heads per kv head."""
        return self.heads // self.kv_heads


SIZES = {
    "bundled model": Sizes(128, 4, 2, 32, 384, 5),
    "135 M": Sizes(576, 9, 3, 64, 1536, 10),
    "1 B": Sizes(2048, 32, 8, 64, 8192, 2),
}


def main(argv: list[str] | None = None) -> None:
    """Measure every size and batch."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fused_kernels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 4, 16], help="batch sizes (%(default)s)")
    parser.add_argument("--rounds", type=int, default=60, help="turns of each (%(default)s)")
    arguments = parser.parse_args(argv)
    device.set_up()
    table = Table("layers", "rows", "fused, ms", "interleaved", "apart", title="Time of one step, as a ratio")
    for name, sizes in SIZES.items():
        for rows in arguments.rows:
            seconds = measure(sizes, rows, arguments.rounds)
            fused, *others = seconds.values()
            ratios = [median(b / a for a, b in zip(fused, other, strict=True)) for other in others]
            table.add_row(name, str(rows), f"{median(fused) * 1e3:.2f}", *(f"{ratio:.2f}" for ratio in ratios))
    Console().print(table)


def measure(sizes: Sizes, rows: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, by name; all three give the same numbers."""
    apart = weights(sizes)
    x = jax.random.normal(jax.random.key(0), (rows, sizes.embed))
    sides: dict[str, tuple[Step, list]] = {
        "fused": (jax.jit(fused(sizes)), [concatenated(layer) for layer in apart]),
        "interleaved": (jax.jit(interleaved(sizes)), [by_head(sizes, layer) for layer in apart]),
        "apart": (jax.jit(one_by_one(sizes)), apart),
    }
    results = [np.asarray(step(layers, x)) for step, layers in sides.values()]
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-3, atol=1e-4)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, (step, layers) in sides.items():
            began = time.perf_counter()
            step(layers, x).block_until_ready()
            seconds[name].append(time.perf_counter() - began)
    return seconds


def weights(s: Sizes) -> list[list[jax.Array]]:
    """Per layer: query, key, value, out, gate, up and down kernels [out, in]."""
    random = np.random.default_rng(0)
    queries, keys = s.heads * s.head_dim, s.kv_heads * s.head_dim
    shapes = [(queries, s.embed), (keys, s.embed), (keys, s.embed), (s.embed, queries)]
    shapes += [(s.hidden, s.embed), (s.hidden, s.embed), (s.embed, s.hidden)]
    return [
        [jnp.asarray(random.normal(size=shape) / shape[1] ** 0.5, jnp.float32) for shape in shapes]
        for _ in range(s.layers)
    ]


def concatenated(layer: list[jax.Array]) -> list[jax.Array]:
    """qkv, out, gate and up, down."""
    q, k, v, out, gate, up, down = layer
    return [jnp.concatenate([q, k, v]), out, jnp.concatenate([gate, up]), down]


def by_head(s: Sizes, layer: list[jax.Array]) -> list[jax.Array]:
    """The same with rows by kv head, and by hidden unit."""
    q, k, v, out, gate, up, down = layer
    heads = [array.reshape(s.kv_heads, -1, s.embed) for array in (q, k, v)]
    return [
        jnp.concatenate(heads, axis=1).reshape(-1, s.embed),
        out,
        jnp.stack([gate, up], axis=1).reshape(-1, s.embed),
        down,
    ]


def mixed(s: Sizes, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """Stands for attention, whose cost is the same for all: q [B, N, H], k and v [B, K, H] -> [B, N * H]."""
    score = jnp.tanh(jnp.repeat((k * v).mean(-1, keepdims=True), s.group, axis=1))
    return (q * score).reshape(len(q), -1)


def fused(s: Sizes) -> Step:
    """Split after the last query head and the last key head, and in the middle."""

    def step(layers: list, x: jax.Array) -> jax.Array:
        for qkv, out, gate_up, down in layers:
            heads = native.multiply(x, qkv).reshape(len(x), -1, s.head_dim)
            q, k, v = jnp.split(heads, (s.heads, s.heads + s.kv_heads), axis=1)
            x = x + native.multiply(mixed(s, q, k, v), out)
            gate, up = jnp.split(native.multiply(x, gate_up), 2, axis=-1)
            x = (x + native.multiply(jax.nn.silu(gate) * up, down)) / 2
        return x

    return step


def interleaved(s: Sizes) -> Step:
    """As `backend.models.layers` does it."""

    def step(layers: list, x: jax.Array) -> jax.Array:
        for qkv, out, gate_up, down in layers:
            heads = native.multiply(x, qkv).reshape(len(x), s.kv_heads, s.group + 2, s.head_dim)
            q = heads[:, :, : s.group].reshape(len(x), s.heads, s.head_dim)
            x = x + native.multiply(mixed(s, q, heads[:, :, s.group], heads[:, :, s.group + 1]), out)
            pairs = native.multiply(x, gate_up).reshape(len(x), s.hidden, 2)
            x = (x + native.multiply(jax.nn.silu(pairs[..., 0]) * pairs[..., 1], down)) / 2
        return x

    return step


def one_by_one(s: Sizes) -> Step:
    """A product each."""

    def step(layers: list, x: jax.Array) -> jax.Array:
        for q, k, v, out, gate, up, down in layers:
            heads = [native.multiply(x, kernel).reshape(len(x), -1, s.head_dim) for kernel in (q, k, v)]
            x = x + native.multiply(mixed(s, *heads), out)
            x = (x + native.multiply(jax.nn.silu(native.multiply(x, gate)) * native.multiply(x, up), down)) / 2
        return x

    return step


if __name__ == "__main__":
    main()
