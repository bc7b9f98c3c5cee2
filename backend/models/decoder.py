"""A decoder: embeddings, layers as their configurations declare them, and the head."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from backend.attention import Attend, KVSpec, LayerCache
from backend.models.adapters.stack import Adapters
from backend.models.config import DecoderConfig
from backend.models.context import ForwardContext, forward_context
from backend.models.kernel import Kernel
from backend.models.layers import MIXERS, DecoderLayer, RMSNorm
from backend.models.media.encoders import ENCODERS
from backend.models.rope import RopeConfig
from backend.models.sources import Parameter, Parameters, Stored, within
from backend.sharding import traced_once


class Decoder(nnx.Module):
    """`embed` turns token ids into vectors, a call turns those into hidden states, `logits` those into scores.

    classifier: the head that scores classes, None for a decoder without one.
    media: the encoder of what is taken beside text (`ENCODERS`), whose vectors may stand in place of those of ids.
    `Decoder(config, dtype=jnp.float32, rngs=nnx.Rngs(0))` has fresh random weights (training);
    a checkpoint's weights go into `nnx.eval_shape(lambda: Decoder(...))` (weights.py).
    """

    def __init__(self, config: DecoderConfig, *, dtype: jnp.dtype = jnp.float32, rngs: nnx.Rngs) -> None:
        self.config, self.dtype = config, jnp.dtype(dtype)
        init = nnx.initializers.normal(stddev=0.02)
        self.embedding = Kernel(init(rngs.params(), (config.vocab, config.embed), dtype))
        self.layers = nnx.List([DecoderLayer(config, layer, dtype=dtype, rngs=rngs) for layer in config.layers])
        self.norm = RMSNorm(config.embed, config.norm_epsilon)
        self.head = Kernel(init(rngs.params(), (config.vocab, config.embed), dtype)) if config.own_head else None
        classes = (config.classes, config.embed)
        self.classifier = Kernel(init(rngs.params(), classes, dtype)) if config.classes else None
        encoder = ENCODERS.get(type(config.media))
        self.media = None if encoder is None else encoder(config.media, config.embed, dtype=dtype, rngs=rngs)

    def embed(self, tokens: jax.Array) -> jax.Array:
        """Token ids int32 [B, T] -> [B, T, D], what a call starts from. A caller may put other vectors there."""
        x = self.embedding.rows(tokens, self.dtype)
        if self.config.embedding_scale != 1.0:
            x = x * jnp.asarray(self.config.embedding_scale, x.dtype)
        return x

    def context(
        self,
        positions: jax.Array,
        attend: Attend,
        rope_positions: jax.Array | None = None,
        adapters: Adapters | None = None,
        features: jax.Array | None = None,
    ) -> ForwardContext:
        """What the layers of one call are given.

        positions: int32 [B, T], -1 where there is no token. attend: how keys and values are kept and attended.
        rope_positions: int32 [B, T] or [3, B, T], what rotary embedding turns by; None for `positions`. adapters:
        of the rows, None where none has any. features: [S, B, T, D], added to what the first S layers give.
        """
        return forward_context(ropes(self.config), positions, attend, rope_positions, adapters, features)

    def __call__(
        self, x: jax.Array, context: ForwardContext, caches: Sequence[LayerCache]
    ) -> tuple[jax.Array, tuple[LayerCache, ...]]:
        """x [B, T, D] and one cache per layer -> normed hidden states [B, T, D] and the caches.

        Without a cache: `decoder.context(positions, UncachedAttend())` and None for each layer's.
        """
        out = []
        for number, (layer, cache) in enumerate(zip(self.layers, caches, strict=True)):
            x, cache = _run_layer(*nnx.split(layer), x, context.of_layer(number), cache)
            x = context.behind(number, x)
            out.append(cache)
        return self.norm(x), tuple(out)

    def logits(self, hidden: jax.Array) -> jax.Array:
        """Hidden states [..., D] -> float32 scores [..., V]."""
        kernel = self.embedding if self.head is None else self.head
        raw = kernel(hidden, jnp.dtype(jnp.float32))
        cap = self.config.logit_softcap
        return raw if cap is None else cap * jnp.tanh(raw / cap)

    def parameters(self, norm_offset: float = 0.0) -> Parameters:
        """Every parameter's path -> the checkpoint tensors that it is made of, and its axes.

        norm_offset: what the checkpoint's norm scales lack.
        """
        c = self.config
        parameters = {("embedding", "values"): Parameter(Stored("model.embed_tokens.weight", (c.vocab, c.embed)), "VD")}
        if c.own_head:
            parameters["head", "values"] = Parameter(Stored("lm_head.weight", (c.vocab, c.embed)), "VD")
        if c.classes:
            parameters["classifier", "values"] = Parameter(Stored("score.weight", (c.classes, c.embed)), "YD")
        parameters |= within(("norm",), self.norm.parameters("model.norm", norm_offset))
        for i, layer in enumerate(self.layers):
            parameters |= within(("layers", i), layer.parameters(f"model.layers.{i}", norm_offset))
        if self.media is not None:
            parameters |= within(("media",), self.media.parameters())
        return parameters


@traced_once
def _run_layer(
    graph: nnx.GraphDef, state: nnx.State, x: jax.Array, context: ForwardContext, cache: LayerCache
) -> tuple[jax.Array, LayerCache]:
    layer: tuple[jax.Array, LayerCache] = nnx.merge(graph, state)(x, context, cache)
    return layer


def ropes(config: DecoderConfig) -> list[tuple[RopeConfig, int]]:
    """The rotary embedding of each layer that has one, with its head dimension."""
    return [rope for layer in config.layers for rope in MIXERS[type(layer.mixer)].ropes(layer.mixer)]


def kv_specs(config: DecoderConfig) -> tuple[KVSpec, ...]:
    """What each layer keeps per position, in order: what an attention back end is made from."""
    return tuple(MIXERS[type(layer.mixer)].kv_spec(layer.mixer) for layer in config.layers)
