"""Pictures in other sizes, by bicubic interpolation with antialiasing.

What torch computes of bytes (`torch.nn.functional.interpolate`, antialias), after Pillow's resampling: the filter as
integers of 16 bits, first along rows, then along columns, bytes in between. Where a weight is halfway between two
integers torch may round it to the other one, which makes one level of difference in a few pixels.
"""

from typing import NamedTuple

import numpy as np

SUPPORT = 2.0
"""Pixels on each side that the cubic filter reaches."""
MOST_BITS, WEIGHT_BITS = 22, 15
OUTPUTS_AT_ONCE = 64
"""Columns of the result that one product makes: of few more inputs than these need, and exact in float32."""


class _Filter(NamedTuple):
    """weights: float32 [outputs, inputs], integers that are 2**bits times the filter's."""

    weights: np.ndarray
    bits: int


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [..., H, W, channels] -> uint8 [..., height, width, channels]."""
    return _along(_along(pixels, -2, width), -3, height)


def _along(pixels: np.ndarray, axis: int, size: int) -> np.ndarray:
    """`pixels` with `size` along `axis`."""
    inputs = pixels.shape[axis]
    if inputs == size:
        return pixels
    weights, bits = _filter(inputs, size)
    first = np.moveaxis(pixels, axis, 0)
    flat = first.reshape(inputs, -1)
    out = np.empty((size, flat.shape[1]), np.uint8)
    for start in range(0, size, OUTPUTS_AT_ONCE):
        some = weights[start : start + OUTPUTS_AT_ONCE]
        used = np.flatnonzero(some.any(0))
        part = slice(used[0], used[-1] + 1)
        sums = some[:, part] @ flat[part].astype(np.float32)  # whole numbers below 2**24, in whatever order
        rounded = (sums.astype(np.int32) + (1 << bits >> 1)) >> bits
        out[start : start + len(some)] = np.clip(rounded, 0, 255)
    return np.moveaxis(out.reshape(size, *first.shape[1:]), 0, axis)


def _filter(inputs: int, outputs: int) -> _Filter:
    scale = inputs / outputs
    reach, stretch = SUPPORT * max(scale, 1.0), max(scale, 1.0)
    centers = scale * (np.arange(outputs) + 0.5)
    first = np.maximum((centers - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centers + reach + 0.5).astype(np.int64), inputs)
    place = first[:, None] + np.arange((last - first).max())
    weights = np.where(place < last[:, None], _cubic((place - centers[:, None] + 0.5) * (1 / stretch)), 0.0)
    weights /= weights.cumsum(-1)[:, -1:]  # added one after the other, as torch does
    largest, bits = weights.max(), 0
    while bits < MOST_BITS and int(0.5 + largest * 2 ** (bits + 1)) < 1 << WEIGHT_BITS:
        bits += 1
    scaled, dense = weights * 2**bits, np.zeros((outputs, inputs), np.float32)
    rows, columns = np.nonzero(place < last[:, None])
    dense[rows, place[rows, columns]] = np.trunc(scaled + np.copysign(0.5, scaled))[rows, columns]
    return _Filter(dense, bits)


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution (1981) with a = -0.5."""
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1, (((x - 5) * x + 8) * x - 4) * -0.5
    return np.where(x < 1, near, np.where(x < SUPPORT, far, 0.0))
