"""Which prefill programs a prompt goes through: what a call costs, and the cheapest calls for some tokens."""

from functools import lru_cache

from backend.target import Platform

Shape = tuple[int, int]
"""(rows, tokens of each) of a prefill program."""

WEIGHTS: dict[Platform, int] = {"cpu": 32, "gpu": 256, "tpu": 256}
"""Reading the weights costs a call as much as so many tokens. On a processor: 110 M parameters in float32 on two cores
took 78, 90, 165 and 311 ms for 32, 64, 128 and 256 tokens. Elsewhere by the roofline (Williams et al., 2009): a token
is two operations for each parameter, and bfloat16 two bytes, so it is the operations that a device does while it reads
a byte: 153 for an A100, 295 for an H100, 281 for a B200, 240 for a v5e, 166 for a v5p, 560 for a v6e."""

SHAPES: dict[Platform, tuple[Shape, ...]] = {
    "cpu": ((1, 32), (4, 32), (1, 64), (1, 256)),
    "gpu": ((1, 128), (4, 128), (1, 256), (1, 1024)),
    "tpu": ((1, 128), (4, 128), (1, 256), (1, 1024)),
}
"""The usual programs. Fewer tokens than half of what the weights cost would save little, and the largest costs a
running stream as much as some steps: 25 ms for 8 B parameters on an H100 at 70 % of its operations."""


def padded(shape: Shape) -> int:
    """Tokens that one prefill call of `shape` computes, padding included."""
    rows, tokens = shape
    return rows * tokens


def cost(shape: Shape, weights: int) -> int:
    """What one prefill call of `shape` costs, in tokens: those it computes, and `weights` for reading the weights."""
    return weights + padded(shape)


@lru_cache(maxsize=1 << 16)
def cheapest(shapes: tuple[Shape, ...], tokens: int, weights: int) -> tuple[int, Shape]:
    """The cheapest prefill calls for `tokens` (at least 1) of one prompt: their cost in tokens, and the first's shape.

    shapes: (rows, tokens of each) of the compiled programs, ascending by tokens; those of one row are considered.
    weights: what reading the weights costs, in tokens.
    """
    alone = [shape for shape in shapes if shape[0] == 1]
    longest = alone[-1]
    if tokens > longest[1]:
        calls = (tokens - 1) // longest[1]
        return calls * cost(longest, weights) + cheapest(shapes, tokens - calls * longest[1], weights)[0], longest
    smaller = [shape for shape in alone if shape[1] < tokens]
    whole = next(shape for shape in alone if shape[1] >= tokens)
    plans = [(cost(shape, weights) + cheapest(shapes, tokens - shape[1], weights)[0], shape) for shape in smaller]
    return min([(cost(whole, weights), whole), *plans], key=lambda plan: plan[0])
