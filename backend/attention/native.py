"""The back end of a processor: decoding by native code, prefill as in the reference."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from backend import native
from backend.attention import Attend, AttentionSpec
from backend.attention.quantization import quantize
from backend.attention.reference import PagedAttend, PagedAttention, Pages


@dataclass(frozen=True)
class NativePagedAttention(PagedAttention):
    """A `PagedAttention` whose calls of one token per row are native where that takes the layer's heads."""

    def attend(self, page_table: jax.Array, together: jax.Array | None = None) -> Attend:
        """Attention over the pages of page_table int32 [B, M]. together: int32 [2, B, T]."""
        return NativePagedAttend(page_table, together)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NativePagedAttend(PagedAttend):
    """`PagedAttend`, native for one token per row. page_table: int32 [B, M]."""

    def __call__(
        self, cache: Pages, q: jax.Array, k: jax.Array, v: jax.Array, positions: jax.Array, spec: AttentionSpec
    ) -> tuple[jax.Array, Pages]:
        """As the reference; what comes out for a token at position -1 is zeros."""
        _, _, page_tokens, head_dim = cache.k.shape
        alone = q.shape[1] == 1 and self.together is None
        if not alone or not native.takes_attention(cache.k.dtype.name, head_dim, page_tokens):
            return super().__call__(cache, q, k, v, positions, spec)
        pools = [pool for pool in cache if pool is not None]
        (keys, key_scales), (values, value_scales) = quantize(k, cache.k.dtype), quantize(v, cache.v.dtype)
        news = [array[:, 0] for array in (keys, values, key_scales, value_scales) if array is not None]
        queries, places = q[:, 0].astype(jnp.float32), positions[:, 0]
        scale, window, softcap = spec.scale, spec.window, spec.softcap
        out, *pools = native.attend(
            queries, pools, news, self.page_table, places, scale=scale, window=window, softcap=softcap
        )
        return out[:, None].astype(q.dtype), Pages(*pools)
