"""One dense decoder for the Llama, Qwen, Mistral and Gemma line."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from backend.attention import Attend, LayerCache
from backend.models.config import DecoderConfig
from backend.models.layers import Block, RMSNorm, times
from backend.models.rope import cos_sin


class Decoder(nnx.Module):
    """Token ids in, hidden states out; `logits` turns those into scores over the vocabulary.

    `Decoder(config, dtype=jnp.float32, rngs=nnx.Rngs(0))` has fresh random weights (training);
    a checkpoint's weights go into `nnx.eval_shape(lambda: Decoder(...))` (weights.py).
    """

    def __init__(self, config: DecoderConfig, *, dtype: jnp.dtype = jnp.float32, rngs: nnx.Rngs) -> None:
        self.config = config
        init = nnx.initializers.normal(stddev=0.02)
        self.embedding = nnx.Param(init(rngs.params(), (config.vocab, config.embed), dtype))
        self.blocks = nnx.List([Block(config, layer, dtype=dtype, rngs=rngs) for layer in config.layers])
        self.norm = RMSNorm(config.embed, config.norm_epsilon)
        self.head = None if config.tied_head else nnx.Param(init(rngs.params(), (config.vocab, config.embed), dtype))

    def __call__(
        self, tokens: jax.Array, positions: jax.Array, caches: Sequence[LayerCache], attend: Attend
    ) -> tuple[jax.Array, tuple[LayerCache, ...]]:
        """tokens, positions int32 [B, T]; one cache per layer -> normed hidden states [B, T, D] and the caches.

        Without a cache: `decoder(tokens, positions, [None] * len(config.layers), uncached(segments))`.
        """
        x = self.embedding[...][tokens]
        if self.config.embedding_scale != 1.0:
            x = x * jnp.asarray(self.config.embedding_scale, x.dtype)
        kinds = {layer.rope for layer in self.config.layers}
        angles = {rope: cos_sin(rope, positions, self.config.head_dim) for rope in kinds}
        out = []
        for block, layer, cache in zip(self.blocks, self.config.layers, caches, strict=True):
            x, cache = block(x, angles[layer.rope], positions, cache, attend)
            out.append(cache)
        return self.norm(x), tuple(out)

    def logits(self, hidden: jax.Array) -> jax.Array:
        """Hidden states [..., D] -> float32 scores [..., V]."""
        kernel = self.embedding[...] if self.head is None else self.head[...]
        raw = times(hidden, kernel, jnp.dtype(jnp.float32))
        cap = self.config.logit_softcap
        return raw if cap is None else cap * jnp.tanh(raw / cap)
