"""Muon for matrices and Adam for the rest, and the learning rate over a run."""

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

PEAK = 0.02
ADAM_SHARE = 0.25
WARMUP_STEPS = 20
DECAY_FROM = 0.3


def optimizer() -> optax.GradientTransformation:
    """Updates for a learning rate of 1: multiply them by `learning_rate` before adding them.

    Muon (Jordan et al., 2024) moves the kernels; embedding and norms go by Adam at `ADAM_SHARE` of the rate.
    """
    return muon(
        learning_rate=1.0,
        adam_learning_rate=ADAM_SHARE,
        adam_b1=0.9,
        adam_b2=0.95,
        muon_weight_dimension_numbers=_kernels,
    )


def _kernels(params: optax.Params) -> optax.Params:
    """Marks the [out, in] kernels for Muon; None leaves an array to Adam."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: (
            MuonDimensionNumbers(reduction_axis=1, output_axis=0) if "kernel" in jax.tree_util.keystr(path) else None
        ),
        params,
    )


def learning_rate(step: int, progress: float) -> float:
    """Rises over the first steps, stays, then falls to 0 in a line.

    progress: share of the run that is over, 0 to 1.
    """
    decay = min(1.0, (1.0 - progress) / (1.0 - DECAY_FROM))
    return PEAK * min(1.0, (step + 1) / WARMUP_STEPS) * max(decay, 0.0)
