"""Parameters that learn: the compiled step, and the state of it on the disk."""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from backend.models.decoder import Decoder
from training.optimizer import optimizer

REPORT_STEPS = 25

Batch = TypeVar("Batch")
Loss = Callable[[Decoder, Batch], tuple[jax.Array, jax.Array]]
"""A decoder and a batch -> the loss, and what is told of it; float32 scalars."""


class Trainer(Generic[Batch]):
    """Parameters, optimizer state and the compiled step. `params` and `state` are donated to every step."""

    def __init__(self, decoder: Decoder, loss_of: Loss[Batch]) -> None:
        self.graph, self.params = nnx.split(decoder, nnx.Param)
        update, graph = optimizer(), self.graph
        self.state = update.init(self.params)
        self.losses: deque[float] = deque(maxlen=REPORT_STEPS)

        def step(params: nnx.State, state: Any, batch: Batch, rate: jax.Array) -> tuple[nnx.State, Any, jax.Array]:
            gradient, told = jax.grad(lambda p: loss_of(nnx.merge(graph, p), batch), has_aux=True)(params)
            updates, state = update.update(gradient, state, params)
            return (jax.tree.map(lambda p, u: p + rate * u, params, updates), state, told)

        self._step = jax.jit(step, donate_argnums=(0, 1))

    def step(self, batch: Batch, rate: float) -> float:
        """One update; returns what is told of the loss on the batch before it."""
        self.params, self.state, told = self._step(self.params, self.state, batch, jnp.float32(rate))
        self.losses.append(float(told))
        return self.losses[-1]

    @property
    def loss(self) -> float:
        """The mean of what was told over the last `REPORT_STEPS` steps."""
        return float(np.mean(self.losses))

    def save(self, path: Path) -> None:
        np.savez(path, *map(np.asarray, jax.tree.leaves((self.params, self.state))))

    def load(self, path: Path) -> None:
        with np.load(path) as saved:
            leaves = [jnp.asarray(saved[name]) for name in saved.files]
        self.params, self.state = jax.tree.unflatten(jax.tree.structure((self.params, self.state)), leaves)


def cross_entropy(logits: jax.Array, tokens: jax.Array, weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Weighted mean cross entropy of the next token, and its mean where the weight is 1: in nats, float32 scalars.

    logits: float32 [B, T - 1, V], behind all tokens but the last of a row; tokens, weights: [B, T], see `Batch`.
    """
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, tokens[:, 1:])
    weights = weights[:, 1:]
    spoken = weights == 1
    return (losses * weights).sum() / weights.sum(), (losses * spoken).sum() / spoken.sum()
