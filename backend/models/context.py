"""What one forward call knows of its rows besides their embeddings: one pytree that every layer is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp

from backend.attention import Attend
from backend.models.adapters.stack import Adapters
from backend.models.rope import RopeConfig, cos_sin

Angles = tuple[jax.Array, jax.Array]
"""Cosines and sines, float32 [B, T, H / 2] each."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ForwardContext:
    """What layers may ask for. What a new kind of layer needs to know per row is a field here.

    positions: int32 [B, T], where each token stands in its row's cache; -1 where there is none.
    attend: how keys and values are kept and attended in this call.
    angles: cosines and sines of each rotary embedding in `ropes`, at the positions of this call.
    ropes: the distinct rotary embeddings of the decoder, each with its head dimension.
    adapters: those of the call's rows, in a layer those of that layer; None where no row has any.
    features: [S, B, T, D], added to what the first S layers give (Meng et al., 2024, DeepStack); None for nothing.
    """

    positions: jax.Array
    attend: Attend
    angles: tuple[Angles, ...]
    ropes: tuple[tuple[RopeConfig, int], ...] = field(metadata={"static": True})
    adapters: Adapters | None = None
    features: jax.Array | None = None

    def of_layer(self, layer: int) -> "ForwardContext":
        """What one layer is given."""
        adapters = None if self.adapters is None else self.adapters.of_layer(layer)
        return replace(self, adapters=adapters, features=None)

    def behind(self, layer: int, x: jax.Array) -> jax.Array:
        """What a layer gives, [B, T, D], with what is added to it."""
        if self.features is None or layer >= len(self.features):
            return x
        return x + self.features[layer].astype(x.dtype)

    def adapted(self, name: str, x: jax.Array, parts: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        """The outputs of a kernel's projections with what the rows' adapters add to them.

        name: of the kernel in its layer, such as "mixer.qkv", which its module lists in `adapted`. x: [B, T, in], what
        it was multiplied with. parts: of each projection, [B, T, ...].
        """
        added = None if self.adapters is None else self.adapters.added(name, x)
        if added is None:
            return parts
        return tuple(part + more.reshape(part.shape) for part, more in zip(parts, added, strict=True))

    def rotary(self, rope: RopeConfig, head_dim: int) -> Angles:
        """The angles of a layer's rotary embedding over heads of H = `head_dim` numbers."""
        return self.angles[self.ropes.index((rope, head_dim))]


def forward_context(
    ropes: Sequence[tuple[RopeConfig, int]],
    positions: jax.Array,
    attend: Attend,
    rope_positions: jax.Array | None = None,
    adapters: Adapters | None = None,
    features: jax.Array | None = None,
) -> ForwardContext:
    """The context of one call. ropes: every rotary embedding of the decoder, with its head dimension.

    positions: int32 [B, T]. rope_positions: what rotary embedding turns by, int32 [B, T], or [3, B, T] for embeddings
    with sections (time, height and width of a picture's patch); None for the positions themselves.
    """
    turned = positions if rope_positions is None else rope_positions
    distinct = tuple(dict.fromkeys(ropes))
    return ForwardContext(positions, attend, _computed_once(distinct, turned), distinct, adapters, features)


def _computed_once(ropes: tuple[tuple[RopeConfig, int], ...], positions: jax.Array) -> tuple[Angles, ...]:
    """The angles, computed where any position is a token's.

    A branch, since XLA would else compute cosines and sines anew in every layer, for every head.
    """

    def compute() -> tuple[Angles, ...]:
        return tuple(cos_sin(rope, positions, dim) for rope, dim in ropes)

    def zeros() -> tuple[Angles, ...]:
        return jax.tree.map(lambda array: jnp.zeros(array.shape, array.dtype), jax.eval_shape(compute))

    return jax.lax.cond((positions >= 0).any(), compute, zeros)
