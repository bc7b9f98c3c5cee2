"""Attention back ends behind one narrow seam: write the new keys and values, attend over what is in use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

LayerCache = Any
"""One layer's keys and values as its back end lays them out; None where nothing is cached (training, parity)."""


@dataclass(frozen=True)
class AttentionSpec:
    """What one layer's attention needs to know besides its arrays.

    scale: factor on the query-key products. window: a query at position p sees keys p - window + 1 .. p, None for all.
    softcap: scores become softcap * tanh(scores / softcap), None for off.
    """

    scale: float
    window: int | None = None
    softcap: float | None = None


Attend = Callable[[LayerCache, jax.Array, jax.Array, jax.Array, jax.Array, AttentionSpec], tuple[jax.Array, LayerCache]]
"""attend(cache, q [B, T, N, H], k and v [B, T, K, H], positions int32 [B, T], spec) -> (out [B, T, N, H], cache).

k and v belong at `positions` of their rows; a query sees every key of its row at or before its own position. Position
-1 means that there is no token: nothing is written for it, and what comes out for it is finite and without meaning.
Called once per layer inside a trace; changes nothing but the cache it returns.
"""
