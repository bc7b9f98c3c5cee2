"""What encoders are made of beside the decoder's own layers."""

import jax
import jax.numpy as jnp
from flax import nnx

from backend.models.sources import Parameter, Parameters, Stored


class LayerNorm(nnx.Module):
    """Layer normalisation in float32 (Ba et al., 2016); scale and bias float32 [size]."""

    def __init__(self, size: int, epsilon: float = 1e-5) -> None:
        self.size, self.epsilon = size, epsilon
        self.scale = nnx.Param(jnp.ones(size, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(size, jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        wide = x.astype(jnp.float32)
        centered = wide - wide.mean(-1, keepdims=True)
        normed = centered * jax.lax.rsqrt((centered * centered).mean(-1, keepdims=True) + self.epsilon)
        return (normed * self.scale[...] + self.bias[...]).astype(x.dtype)

    def parameters(self, stem: str) -> Parameters:
        """The sources of scale and bias: checkpoint tensors `stem`.weight and `stem`.bias."""
        names = {"scale": "weight", "bias": "bias"}
        return {(ours,): Parameter(Stored(f"{stem}.{theirs}", (self.size,)), "I") for ours, theirs in names.items()}
