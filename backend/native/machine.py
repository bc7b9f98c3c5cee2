"""What a kernel has to know of the processor."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """lanes: float32 in a vector. tile: outputs, and rows of activations, whose sums fit the registers together.

    half: whether it converts float16. bfloat16: whether it multiplies that.
    """

    lanes: int
    tile: tuple[int, int]
    half: bool = True
    bfloat16: bool = False
