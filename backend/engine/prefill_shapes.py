"""Which prefill programs a prompt goes through: what a call costs, and the cheapest calls for some tokens."""

from functools import lru_cache

Shape = tuple[int, int]
"""(rows, tokens of each) of a prefill program."""

WEIGHTS = 32
"""Reading the weights costs a call as much as so many tokens: 110 M parameters in float32 on two cores took 78, 90, 165
and 311 ms for 32, 64, 128 and 256 tokens."""


def padded(shape: Shape) -> int:
    """Tokens that one call computes, padding included."""
    rows, tokens = shape
    return rows * tokens


def cost(shape: Shape) -> int:
    """Of one call, in tokens."""
    return WEIGHTS + padded(shape)


@lru_cache(maxsize=1 << 16)
def cheapest(shapes: tuple[Shape, ...], tokens: int) -> tuple[int, Shape]:
    """What the cheapest calls for `tokens` (at least 1) of one prompt alone cost, and the first of them."""
    alone = [shape for shape in shapes if shape[0] == 1]
    longest = alone[-1]
    if tokens > longest[1]:
        calls = (tokens - 1) // longest[1]
        return calls * cost(longest) + cheapest(shapes, tokens - calls * longest[1])[0], longest
    smaller = [shape for shape in alone if shape[1] < tokens]
    whole = next(shape for shape in alone if shape[1] >= tokens)
    plans = [(cost(shape) + cheapest(shapes, tokens - shape[1])[0], shape) for shape in smaller]
    return min([(cost(whole), whole), *plans], key=lambda plan: plan[0])
