"""Sampling over a vocabulary that is split over devices, for a process that was given eight: see test_split.py."""

import json
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from backend.sampling.logprobs import MAX_TOP, of_tokens
from backend.sampling.threshold import least_taken
from backend.sharding import in_groups, make_mesh, of_group, sharding
from backend.target import compiling_for

ROWS, VOCAB = 4, 512
EXCHANGE = re.compile(r"= (.*?) (all-reduce|all-gather|all-to-all|collective-permute)(?:-start)?\(")


def logits(seed: int) -> np.ndarray:
    """float32 [ROWS, VOCAB] with ties, and with tokens that are out."""
    rng = np.random.default_rng(seed)
    drawn = np.round(rng.normal(size=(ROWS, VOCAB)) * rng.choice([1, 4]), rng.integers(0, 4)).astype(np.float32)
    return np.where(rng.random(drawn.shape) < rng.choice([0, 0.9]), -np.inf, drawn).astype(np.float32)


def top_k_and_top_p(x: jax.Array, k: jax.Array, p: jax.Array) -> tuple[jax.Array, ...]:
    """The least value that either takes of each row."""
    probabilities = jax.nn.softmax(x, axis=-1)
    return least_taken(x, jnp.ones_like(x), k), least_taken(probabilities, probabilities, p)


def compare(
    mesh: jax.sharding.Mesh, call: Callable[..., Any], given: Callable[[int], tuple[np.ndarray, ...]]
) -> dict[str, int]:
    """Most numbers that are exchanged at once, by the kind of exchange. Raises AssertionError where results differ."""
    over = sharding(mesh, "RV", (ROWS, VOCAB))
    whole, (x, *rest) = jax.jit(call), given(0)
    spread = in_groups(mesh, call, (of_group("RV"), *[of_group("R") for _ in rest]), of_group("R"))
    split = jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=over)
    with compiling_for("gpu" if call is top_k_and_top_p else "cpu"):
        compiled = jax.jit(spread).lower(split, *rest).compile()
    for seed in range(12):
        x, *rest = given(seed)
        for alone, together in zip(whole(x, *rest), compiled(jax.device_put(x, over), *rest), strict=True):
            np.testing.assert_allclose(alone, together, rtol=1e-6, atol=1e-6)
    sizes: dict[str, int] = {}
    for given_out, kind in EXCHANGE.findall(compiled.as_text()):
        shapes = re.findall(r"\w\[([\d,]*)\]", given_out)
        numbers = (int(np.prod([int(n) for n in shape.split(",") if n])) for shape in shapes)
        sizes[kind] = max(sizes.get(kind, 0), *numbers)
    return sizes


if __name__ == "__main__":
    mesh = make_mesh(jax.devices(), [2], groups=2)
    rng = np.random.default_rng(0)
    scored = compare(mesh, of_tokens, lambda seed: (logits(seed), rng.integers(VOCAB, size=ROWS).astype(np.int32)))
    taken = compare(
        mesh,
        top_k_and_top_p,
        lambda seed: (
            logits(seed),
            rng.integers(1, 80, size=ROWS).astype(np.float32),
            rng.uniform(0.05, 0.99, size=ROWS).astype(np.float32),
        ),
    )
    print(json.dumps({"scored": scored, "taken": taken, "top": MAX_TOP}))
