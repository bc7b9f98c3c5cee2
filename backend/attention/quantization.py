"""Keys and values in fewer bits than they are computed in."""

import jax
import jax.numpy as jnp

KV_DTYPES = {
    "float32": jnp.dtype(jnp.float32),
    "bfloat16": jnp.dtype(jnp.bfloat16),
    "float8_e4m3": jnp.dtype(jnp.float8_e4m3fn),
    "int8": jnp.dtype(jnp.int8),
}
"""Name -> type in which keys and values can be kept."""
LARGEST_INT8 = 127


def is_scaled(dtype: jnp.dtype) -> bool:
    """Whether numbers of this type stand for multiples of a scale, which is kept beside them."""
    return jnp.issubdtype(dtype, jnp.integer)


def quantize(x: jax.Array, dtype: jnp.dtype) -> tuple[jax.Array, jax.Array | None]:
    """Float x [..., H] as numbers of `dtype` and, for int8, the scales float32 [...] that they are multiples of.

    A scale is a 127th of the largest magnitude among its H numbers, so that none is off by more than half of it.
    float8_e4m3 (Micikevicius et al., 2022, FP8 formats for deep learning) has no infinity: what is beyond its range
    becomes the largest number that it has.
    """
    if not is_scaled(dtype):
        largest = float(jnp.finfo(dtype).max)
        return (jnp.clip(x, -largest, largest) if dtype.itemsize == 1 else x).astype(dtype), None
    wide = x.astype(jnp.float32)
    scale = jnp.abs(wide).max(-1) / LARGEST_INT8
    multiples = wide / jnp.where(scale > 0, scale, 1.0)[..., None]
    return jnp.clip(jnp.round(multiples), -LARGEST_INT8, LARGEST_INT8).astype(dtype), scale
