"""Which prefill programs a prompt goes through: what a call costs, and the cheapest calls for some tokens."""

from functools import lru_cache

Shape = tuple[int, int]
"""(rows, tokens of each) of a prefill program."""

WEIGHTS = 32
"""Reading the weights costs a call as much as so many tokens: 110 M parameters in float32 on two cores took 78, 90, 165
and 311 ms for 32, 64, 128 and 256 tokens."""


def padded(shape: Shape) -> int:
    """Tokens that one prefill call of `shape` computes, padding included."""
    rows, tokens = shape
    return rows * tokens


def cost(shape: Shape) -> int:
    """What one prefill call of `shape` costs, in tokens: those it computes and `WEIGHTS` for reading the weights."""
    return WEIGHTS + padded(shape)


@lru_cache(maxsize=1 << 16)
def cheapest(shapes: tuple[Shape, ...], tokens: int) -> tuple[int, Shape]:
    """The cheapest prefill calls for `tokens` (at least 1) of one prompt: their cost in tokens, and the first's shape.

    shapes: (rows, tokens of each) of the compiled programs, ascending by tokens; those of one row are considered.
    """
    alone = [shape for shape in shapes if shape[0] == 1]
    longest = alone[-1]
    if tokens > longest[1]:
        calls = (tokens - 1) // longest[1]
        return calls * cost(longest) + cheapest(shapes, tokens - calls * longest[1])[0], longest
    smaller = [shape for shape in alone if shape[1] < tokens]
    whole = next(shape for shape in alone if shape[1] >= tokens)
    plans = [(cost(shape) + cheapest(shapes, tokens - shape[1])[0], shape) for shape in smaller]
    return min([(cost(whole), whole), *plans], key=lambda plan: plan[0])
