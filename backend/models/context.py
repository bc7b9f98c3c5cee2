"""What one forward call knows of its rows besides their embeddings: one pytree that every layer is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp

from backend.attention import Attend
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
    """

    positions: jax.Array
    attend: Attend
    angles: tuple[Angles, ...]
    ropes: tuple[tuple[RopeConfig, int], ...] = field(metadata={"static": True})

    def rotary(self, rope: RopeConfig, head_dim: int) -> Angles:
        """The angles of a layer's rotary embedding over heads of H = `head_dim` numbers."""
        return self.angles[self.ropes.index((rope, head_dim))]


def forward_context(
    ropes: Sequence[tuple[RopeConfig, int]],
    positions: jax.Array,
    attend: Attend,
    rope_positions: jax.Array | None = None,
) -> ForwardContext:
    """The context of one call. ropes: every rotary embedding of the decoder, with its head dimension.

    positions: int32 [B, T]. rope_positions: what rotary embedding turns by, int32 [B, T], or [3, B, T] for embeddings
    with sections (time, height and width of a picture's patch); None for the positions themselves.
    """
    turned = positions if rope_positions is None else rope_positions
    distinct = tuple(dict.fromkeys(ropes))
    return ForwardContext(positions, attend, _computed_once(distinct, turned), distinct)


def _computed_once(ropes: tuple[tuple[RopeConfig, int], ...], positions: jax.Array) -> tuple[Angles, ...]:
    """The angles, computed where any position is a token's.

    A branch, since XLA would else compute cosines and sines anew in every layer, for every head.
    """

    def compute() -> tuple[Angles, ...]:
        return tuple(cos_sin(rope, positions, dim) for rope, dim in ropes)

    def zeros() -> tuple[Angles, ...]:
        return jax.tree.map(lambda array: jnp.zeros(array.shape, array.dtype), jax.eval_shape(compute))

    return jax.lax.cond((positions >= 0).any(), compute, zeros)
