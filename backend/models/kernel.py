"""The kernel of a linear layer, or a table of embeddings: its weights as they are kept, and products with them."""

from typing import cast

import jax
import jax.numpy as jnp
from flax import nnx

from backend import native
from backend.models.quantization import WeightFormat
from backend.sharding import Total, by_parts

XLA_ROWS = 128
"""Rows of activations from which XLA's own product with float32 is no slower than the native one."""

SUMS = {"int8": "int32", "float8_e4m3fn": "float32"}
"""Types of values whose products with activations of the same type are summed in another."""


class Kernel(nnx.Module):
    """Weights [out, in] in a `WeightFormat`, as checkpoints have them: one row per output.

    native: whether products are computed by `backend.native`, where that takes the format; set where weights are
    loaded. in_bfloat16: whether these may round weights and activations to that. eight_bits: whether else activations
    become 8 bits as well, each row by its largest magnitude, where the values have 8 bits and one scale per row; for
    both see `Storage`. All else XLA computes in the type of the activations, which weights of fewer bits become first.
    inputs: the letter of the axis of its inputs (sharding.py).
    """

    def __init__(self, values: jax.Array, inputs: str = "D") -> None:
        self.values, self.inputs = nnx.Param(values), inputs
        self.scales: nnx.Param | None = nnx.data(None)
        self.offsets: nnx.Param | None = nnx.data(None)
        self.native = self.in_bfloat16 = self.eight_bits = False

    @property
    def format(self) -> WeightFormat:
        """How the weights are kept."""
        values = self.values.get_value()
        if self.scales is None:
            return WeightFormat(values.dtype.name)
        groups = self.scales.shape[-1]
        group = 0 if groups == 1 else values.shape[-1] // groups
        return WeightFormat(values.dtype.name, self.scales.dtype.name, group, self.offsets is not None)

    def keep_in(self, format: WeightFormat) -> None:
        """Change the format of weights that are only shapes so far (`nnx.eval_shape`)."""
        outputs, inputs = self.values.shape
        self.values = _placeholder((outputs, inputs), format.values)
        scales = (outputs, format.groups(inputs))
        self.scales = _placeholder(scales, format.scales) if format.scales else None
        self.offsets = _placeholder(scales, format.scales) if format.offsets else None

    def __call__(self, x: jax.Array, dtype: jnp.dtype | None = None) -> jax.Array:
        """x [..., in] times the weights, transposed -> [..., out] of `dtype`, or of x's own where that is None."""
        flat, dtype = x.reshape(-1, x.shape[-1]), dtype or x.dtype
        if self._is_native(len(flat)):
            rounded = self.in_bfloat16 and native.takes_bfloat16(flat.shape[-1])
            out = native.multiply(flat.astype(jnp.bfloat16 if rounded else jnp.float32), *self._arrays()).astype(dtype)
        elif self._is_in_eight_bits():
            out = self._multiply_in_eight_bits(flat, dtype)
        else:
            # With the weights on the left: for few rows XLA's CPU product is then up to three times faster.
            weights = _floats(flat.dtype, *self._arrays())
            out = jnp.matmul(weights, flat.T, preferred_element_type=dtype).T
        return out.reshape(*x.shape[:-1], -1)

    def rows(self, ids: jax.Array, dtype: jnp.dtype) -> jax.Array:
        """The rows int32 [...] of the table -> [..., in] of `dtype`."""
        values, scales, offsets = self._arrays()
        if self._is_native(1):
            flat = native.rows(ids.reshape(-1), values, scales, offsets)
            return flat.reshape(*ids.shape, -1).astype(dtype)
        some = (None if array is None else array[ids] for array in (scales, offsets))
        return _floats(dtype, values[ids], *some)

    def _arrays(self) -> tuple[jax.Array, jax.Array | None, jax.Array | None]:
        scales, offsets = (None if array is None else array[...] for array in (self.scales, self.offsets))
        return self.values[...], scales, offsets

    def _is_native(self, rows: int) -> bool:
        format = self.format
        if format.values == "float32" and rows >= XLA_ROWS:
            return False
        return self.native and native.takes(self.values.shape[-1], format.values, format.group)

    def _multiply_in_eight_bits(self, x: jax.Array, dtype: jnp.dtype) -> jax.Array:
        """Each device rounds its own part of the inputs, where they are split, by the largest magnitude there."""
        values, scales, _ = self._arrays()

        def multiply(total: Total, *parts: jax.Array) -> jax.Array:
            return total(_multiply_in_eight_bits(*parts).astype(dtype))

        letter = self.inputs
        out: jax.Array = by_parts(
            multiply, letter, x.shape[-1], (x, values, scales), (f"1{letter}", f"1{letter}", "11")
        )
        return out

    def _is_in_eight_bits(self) -> bool:
        format = self.format
        return (
            self.eight_bits and format.values in SUMS and bool(format.scales) and not (format.group or format.offsets)
        )


def _placeholder(shape: tuple[int, ...], dtype: str) -> nnx.Param[jax.Array]:
    return nnx.Param(cast(jax.Array, jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))))


def _multiply_in_eight_bits(x: jax.Array, values: jax.Array, scales: jax.Array) -> jax.Array:
    """x [B, in] times values [out, in], transposed, and scales [out, 1] -> float32 [B, out]."""
    rounded, steps = quantize_rows(x, values.dtype)
    sums = jax.lax.dot_general(
        rounded, values, (((1,), (1,)), ((), ())), preferred_element_type=jnp.dtype(SUMS[values.dtype.name])
    )
    return sums.astype(jnp.float32) * steps * scales[:, 0].astype(jnp.float32)


def quantize_rows(x: jax.Array, dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
    """x [B, in] -> the nearest values of an 8-bit `dtype`, the largest magnitude of each row at its end, and steps.

    Steps float32 [B, 1]: x is about values times steps (dynamic quantisation per token).
    """
    integers = jnp.issubdtype(dtype, jnp.integer)
    largest = float(jnp.iinfo(dtype).max if integers else jnp.finfo(dtype).max)
    wide = x.astype(jnp.float32)
    steps = jnp.abs(wide).max(-1, keepdims=True) / largest
    scaled = wide / jnp.where(steps == 0, 1, steps)
    return jnp.clip(jnp.rint(scaled) if integers else scaled, -largest, largest).astype(dtype), steps


def _floats(dtype: jnp.dtype, values: jax.Array, scales: jax.Array | None, offsets: jax.Array | None) -> jax.Array:
    """The weights [..., in] of `dtype` that values [..., in], scales and offsets [..., G] stand for."""
    if scales is None:
        return values.astype(dtype)
    grouped = values.astype(dtype).reshape(*values.shape[:-1], scales.shape[-1], -1) * scales[..., None].astype(dtype)
    if offsets is not None:
        grouped = grouped + offsets[..., None].astype(dtype)
    return grouped.reshape(values.shape)
