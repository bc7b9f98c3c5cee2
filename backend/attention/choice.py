"""The back end that suits a platform."""

import jax.numpy as jnp
from jax.sharding import Mesh

from backend import native
from backend.attention import KVSpec
from backend.attention.gpu import GpuPagedAttention
from backend.attention.native import NativePagedAttention
from backend.attention.quantization import is_scaled
from backend.attention.reference import PAGE_TOKENS, PagedAttention
from backend.attention.tpu import TpuPagedAttention
from backend.target import platform


def paged_attention(
    layers: tuple[KVSpec, ...], dtype: jnp.dtype, page_tokens: int = PAGE_TOKENS, mesh: Mesh | None = None
) -> PagedAttention:
    """The back end that is fastest on the platform that programs are made for; see `PagedAttention`.

    mesh: devices over which heads are split, None for one device.
    Raises ValueError for a `dtype` that it does not take.
    """
    if platform() == "gpu":
        return GpuPagedAttention(layers, dtype, page_tokens, mesh)
    if platform() == "tpu":
        if is_scaled(dtype):
            raise ValueError("--kv-cache-dtype int8: on TPUs there are auto, float8_e4m3, bfloat16 and float32")
        return TpuPagedAttention(layers, dtype, page_tokens, mesh)
    kind = NativePagedAttention if native.unavailable_reason() is None else PagedAttention
    return kind(layers, dtype, page_tokens)
