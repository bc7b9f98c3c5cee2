"""The back end that suits a platform."""

import jax.numpy as jnp
from jax.sharding import Mesh

from backend import native
from backend.attention import KVSpec
from backend.attention.gpu import GpuPagedAttention
from backend.attention.native import NativePagedAttention
from backend.attention.reference import PAGE_TOKENS, PagedAttention
from backend.attention.tpu import TpuPagedAttention
from backend.target import platform


def paged_attention(
    layers: tuple[KVSpec, ...], dtype: jnp.dtype, page_tokens: int = PAGE_TOKENS, mesh: Mesh | None = None
) -> PagedAttention:
    """The back end that is fastest on the platform that programs are made for; see `PagedAttention`.

    mesh: devices over which heads are split, None for one device.
    """
    if platform() == "gpu":
        return GpuPagedAttention(layers, dtype, page_tokens, mesh)
    if platform() == "tpu":
        return TpuPagedAttention(layers, dtype, page_tokens, mesh)
    kind = NativePagedAttention if native.unavailable_reason() is None else PagedAttention
    return kind(layers, dtype, page_tokens)
