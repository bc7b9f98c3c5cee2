"""The parts of a decoder layer. Kernels are stored [out, in]; what reads the same input is one kernel.

Every module lists the checkpoint tensors that its parameters are made of, in the naming of transformers' Llama line.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from backend.attention import KVSpec, LayerCache
from backend.models.config import AttentionConfig, DecoderConfig, LayerConfig, MLPConfig
from backend.models.context import ForwardContext
from backend.models.kernel import Kernel
from backend.models.rope import RopeConfig, rotate
from backend.models.sources import Parameter, Parameters, Shifted, Stored, linear, within

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "silu": jax.nn.silu,
    "gelu_tanh": partial(jax.nn.gelu, approximate=True),
}
INIT = nnx.initializers.lecun_normal(in_axis=-1, out_axis=-2)


class Linear(nnx.Module):
    """x @ kernelᵀ (+ bias), kernel [out, in], as checkpoints have it.

    letter: of the axis of its inputs (sharding.py).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        letter: str = "D",
        bias: bool = False,
        dtype: jnp.dtype,
        rngs: nnx.Rngs,
    ) -> None:
        self.kernel = Kernel(INIT(rngs.params(), (outputs, inputs), dtype), letter)
        self.bias = nnx.Param(jnp.zeros(outputs, dtype)) if bias else None

    def __call__(self, x: jax.Array) -> jax.Array:
        out = self.kernel(x)
        return out if self.bias is None else out + self.bias[...].astype(out.dtype)


class RMSNorm(nnx.Module):
    """Root-mean-square normalisation in float32 (Zhang and Sennrich, 2019); scale float32 [size], unless not scaled."""

    def __init__(self, size: int, epsilon: float, scaled: bool = True) -> None:
        self.scale = nnx.Param(jnp.ones(size, jnp.float32)) if scaled else None
        self.size, self.epsilon = size, epsilon

    def __call__(self, x: jax.Array) -> jax.Array:
        wide = x.astype(jnp.float32)
        normed = wide * jax.lax.rsqrt(jnp.mean(wide * wide, axis=-1, keepdims=True) + self.epsilon)
        return (normed if self.scale is None else normed * self.scale[...]).astype(x.dtype)

    def parameters(self, stem: str, norm_offset: float, axes: str = "D") -> Parameters:
        """The scale's source: checkpoint tensor `stem`.weight, with `norm_offset` added. axes: letter of its axis."""
        stored = Stored(f"{stem}.weight", (self.size,))
        return {("scale",): Parameter(Shifted(stored, norm_offset) if norm_offset else stored, axes)}


class Attention(nnx.Module):
    """Grouped-query attention; how keys and values are kept and attended is the context's `attend`.

    The rows of `qkv` are ordered by kv head, the G query heads of each before its key and its value, if that is not the
    key.
    """

    adapted = ("qkv", "out")
    """Its kernels to whose outputs it adds what adapters do."""

    def __init__(self, config: DecoderConfig, mixer: AttentionConfig, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.config, self.inputs = mixer, config.embed
        queries, keys = mixer.heads * mixer.head_dim, mixer.kv_heads * mixer.head_dim
        kept = keys if mixer.keys_as_values else 2 * keys
        self.qkv = Linear(config.embed, queries + kept, bias=mixer.qkv_bias, dtype=dtype, rngs=rngs)
        self.out = Linear(queries, config.embed, letter="N", bias=mixer.out_bias, dtype=dtype, rngs=rngs)
        self.q_norm = RMSNorm(mixer.head_dim, config.norm_epsilon) if mixer.qk_norm else None
        self.k_norm = RMSNorm(mixer.head_dim, config.norm_epsilon) if mixer.qk_norm else None
        self.v_norm = RMSNorm(mixer.head_dim, config.norm_epsilon, scaled=False) if mixer.v_norm else None

    @staticmethod
    def kv_spec(mixer: AttentionConfig) -> KVSpec:
        """The heads and head dimension of the keys and values that a layer of this configuration keeps per position."""
        return KVSpec(mixer.kv_heads, mixer.head_dim)

    @staticmethod
    def ropes(mixer: AttentionConfig) -> tuple[tuple[RopeConfig, int], ...]:
        """The rotary embeddings whose angles it asks the context for, each with its head dimension."""
        return ((mixer.rope, mixer.head_dim),)

    def __call__(self, x: jax.Array, context: ForwardContext, cache: LayerCache) -> tuple[jax.Array, LayerCache]:
        """x [B, T, D] -> [B, T, D], and the layer's cache with the new keys and values."""
        q, k, *values = context.adapted("mixer.qkv", x, self._project(x))
        v = values[0] if values else k
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        v = v if self.v_norm is None else self.v_norm(v)
        angles = context.rotary(self.config.rope, self.config.head_dim)
        out, cache = context.attend(
            cache, rotate(q, *angles), rotate(k, *angles), v, context.positions, self.config.spec
        )
        heads = out.reshape(*x.shape[:2], -1)
        (out,) = context.adapted("mixer.out", heads, (self.out(heads),))
        return out, cache

    def parameters(self, stem: str, norm_offset: float) -> Parameters:
        """Path -> source of each parameter. stem: the layer's prefix in the checkpoint, such as "model.layers.0".

        norm_offset: added to stored norm scales.
        """
        c, stem = self.config, f"{stem}.self_attn"
        outputs = [("q_proj", c.heads), ("k_proj", c.kv_heads)]
        outputs += [] if c.keys_as_values else [("v_proj", c.kv_heads)]
        qkv = [(f"{stem}.{name}", heads * c.head_dim) for name, heads in outputs]
        parameters = within(("qkv",), linear(qkv, self.inputs, c.kv_heads, c.qkv_bias, "KD"))
        out = [(f"{stem}.o_proj", self.inputs)]
        parameters |= within(("out",), linear(out, c.heads * c.head_dim, None, c.out_bias, "DN"))
        for name, norm in (("q_norm", self.q_norm), ("k_norm", self.k_norm)):
            if norm is not None:
                parameters |= within((name,), norm.parameters(f"{stem}.{name}", norm_offset, "H"))
        return parameters

    def _project(self, x: jax.Array) -> tuple[jax.Array, ...]:
        """Queries, keys and, where keys are no values, these."""
        c = self.config
        group = c.heads // c.kv_heads
        grouped = self.qkv(x).reshape(*x.shape[:2], c.kv_heads, -1, c.head_dim)
        q = grouped[:, :, :, :group].reshape(*x.shape[:2], c.heads, c.head_dim)
        kept = (grouped[:, :, :, place] for place in range(group, grouped.shape[3]))
        return q, *kept


class MLP(nnx.Module):
    """Gated feed-forward: down(activation(gate) * up) (Shazeer, 2020, GLU variants).

    The rows of `gate_up` are the gate and the up projection of hidden unit 0, those of unit 1 and so on.
    """

    adapted = ("gate_up", "down")
    """Its kernels to whose outputs it adds what adapters do."""

    def __init__(self, config: DecoderConfig, mlp: MLPConfig, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.config, self.inputs = mlp, config.embed
        self.gate_up = Linear(config.embed, 2 * mlp.size, dtype=dtype, rngs=rngs)
        self.down = Linear(mlp.size, config.embed, letter="F", dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, context: ForwardContext) -> jax.Array:
        """x [B, T, D] -> [B, T, D], each token alone."""
        # Not a pair per hidden unit: XLA would rather reshape the weights for that, and on a TPU keep them twice.
        both = self.gate_up(x)
        gate, up = context.adapted("feed_forward.gate_up", x, (both[..., 0::2], both[..., 1::2]))
        hidden = ACTIVATIONS[self.config.activation](gate) * up
        (out,) = context.adapted("feed_forward.down", hidden, (self.down(hidden),))
        return out

    def parameters(self, stem: str, norm_offset: float) -> Parameters:
        """Path -> source of each parameter. stem: the layer's prefix in the checkpoint. norm_offset: see `RMSNorm`."""
        size, stem = self.config.size, f"{stem}.mlp"
        gate_up = [(f"{stem}.gate_proj", size), (f"{stem}.up_proj", size)]
        parameters = within(("gate_up",), linear(gate_up, self.inputs, size, False, "FD"))
        return parameters | within(("down",), linear([(f"{stem}.down_proj", self.inputs)], size, None, False, "DF"))


MIXERS: dict[type, Any] = {AttentionConfig: Attention}
"""Configuration class -> module: `module(config, mixer, dtype=, rngs=)`, `(x, context, cache) -> (x, cache)`,
`parameters(stem, norm_offset)`, and from its configuration alone `kv_spec(mixer)` and `ropes(mixer)`."""
FEED_FORWARDS: dict[type, Any] = {MLPConfig: MLP}
"""Configuration class -> module: `module(config, feed_forward, dtype=, rngs=)`, `(x, context) -> x`, `parameters`."""


class DecoderLayer(nnx.Module):
    """One layer: pre-norm mixer and feed-forward with residuals; sandwich norms also normalise what each gives."""

    def __init__(self, config: DecoderConfig, layer: LayerConfig, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        norm = partial(RMSNorm, config.embed, config.norm_epsilon)
        self.mixer_norm, self.feed_forward_norm = norm(), norm()
        self.mixer_out_norm = norm() if config.sandwich_norms else None
        self.feed_forward_out_norm = norm() if config.sandwich_norms else None
        self.scale = nnx.Param(jnp.ones(1, jnp.float32)) if config.layer_scales else None
        self.mixer = MIXERS[type(layer.mixer)](config, layer.mixer, dtype=dtype, rngs=rngs)
        feed_forward = FEED_FORWARDS[type(layer.feed_forward)]
        self.feed_forward = feed_forward(config, layer.feed_forward, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, context: ForwardContext, cache: LayerCache) -> tuple[jax.Array, LayerCache]:
        """x [B, T, D] -> [B, T, D], and the layer's cache with the new keys and values."""
        out, cache = self.mixer(self.mixer_norm(x), context, cache)
        x = x + (out if self.mixer_out_norm is None else self.mixer_out_norm(out))
        out = self.feed_forward(self.feed_forward_norm(x), context)
        x = x + (out if self.feed_forward_out_norm is None else self.feed_forward_out_norm(out))
        return (x if self.scale is None else x * self.scale[...].astype(x.dtype)), cache

    def parameters(self, stem: str, norm_offset: float) -> Parameters:
        """Path -> source of each parameter. stem: the layer's prefix in the checkpoint. norm_offset: see `RMSNorm`."""
        names = {"mixer_norm": "input_layernorm", "feed_forward_norm": "post_attention_layernorm"}
        if self.mixer_out_norm is not None:
            names |= {
                "mixer_out_norm": "post_attention_layernorm",
                "feed_forward_norm": "pre_feedforward_layernorm",
                "feed_forward_out_norm": "post_feedforward_layernorm",
            }
        parameters: Parameters = {}
        for ours, theirs in names.items():
            parameters |= within((ours,), getattr(self, ours).parameters(f"{stem}.{theirs}", norm_offset))
        if self.scale is not None:
            parameters["scale",] = Parameter(Stored(f"{stem}.layer_scalar", (1,)), "1")
        for part in ("mixer", "feed_forward"):
            parameters |= within((part,), getattr(self, part).parameters(stem, norm_offset))
        return parameters
