"""Frequencies of every rope kind against transformers' own; the rotation against its definition."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from backend.models.rope import cos_sin, dynamic_frequencies, inverse_frequencies, rotate
from backend.models.rope_reader import read_rope

CONTEXT = 64
HEAD_DIMS = st.sampled_from([8, 16, 64, 128])
THETAS = st.floats(100.0, 1e7)
FACTORS = st.floats(1.0, 32.0)


def config(head_dim: int, **rope: Any) -> LlamaConfig:
    sizes = {"hidden_size": head_dim, "num_attention_heads": 1, "max_position_embeddings": CONTEXT}
    return LlamaConfig(**sizes, head_dim=head_dim, rope_parameters=rope)


def assert_same_frequencies(given_config: LlamaConfig, kind: str) -> None:
    expected, attention = ROPE_INIT_FUNCTIONS[kind](given_config)
    rope = read_rope(given_config, "full_attention")
    np.testing.assert_allclose(inverse_frequencies(rope, given_config.head_dim), expected.numpy(), rtol=2e-5)
    assert rope.kind == kind
    np.testing.assert_allclose(rope.attention_factor, attention, rtol=1e-6)


@given(head_dim=HEAD_DIMS, theta=THETAS)
def test_default_frequencies_are_a_geometric_series(head_dim: int, theta: float) -> None:
    rope = read_rope(config(head_dim, rope_type="default", rope_theta=theta), "full_attention")
    expected = [theta ** (-2 * pair / head_dim) for pair in range(head_dim // 2)]
    np.testing.assert_allclose(inverse_frequencies(rope, head_dim), expected, rtol=1e-6)


@given(head_dim=HEAD_DIMS, theta=THETAS, factor=FACTORS)
def test_linear_frequencies_equal_transformers(head_dim: int, theta: float, factor: float) -> None:
    assert_same_frequencies(config(head_dim, rope_type="linear", rope_theta=theta, factor=factor), "linear")


@given(
    head_dim=HEAD_DIMS,
    theta=THETAS,
    factor=FACTORS,
    low=st.floats(0.5, 2),
    high=st.floats(3, 8),
    old=st.integers(8, 8192),
)
def test_llama3_frequencies_equal_transformers(
    head_dim: int, theta: float, factor: float, low: float, high: float, old: int
) -> None:
    bands = {"low_freq_factor": low, "high_freq_factor": high, "original_max_position_embeddings": old}
    assert_same_frequencies(config(head_dim, rope_type="llama3", rope_theta=theta, factor=factor, **bands), "llama3")


@given(
    head_dim=HEAD_DIMS,
    theta=THETAS,
    factor=FACTORS,
    old=st.integers(8, 8192),
    optional=st.fixed_dictionaries(
        {},
        optional={
            "attention_factor": st.floats(0.5, 2.0),
            "beta_fast": st.floats(4.0, 64.0),
            "beta_slow": st.floats(0.5, 3.0),
            "truncate": st.booleans(),
            "mscale": st.floats(0.5, 1.5),
            "mscale_all_dim": st.floats(0.5, 1.5),
        },
    ),
)
def test_yarn_frequencies_equal_transformers(
    head_dim: int, theta: float, factor: float, old: int, optional: dict[str, Any]
) -> None:
    rope = {"rope_theta": theta, "factor": factor, "original_max_position_embeddings": old, **optional}
    assert_same_frequencies(config(head_dim, rope_type="yarn", **rope), "yarn")


@given(data=st.data(), head_dim=HEAD_DIMS, theta=THETAS, old=st.integers(2, 2 * CONTEXT))
def test_longrope_frequencies_equal_transformers(data: st.DataObject, head_dim: int, theta: float, old: int) -> None:
    """Of a sequence as long as the model takes."""
    pairs = st.lists(FACTORS, min_size=head_dim // 2, max_size=head_dim // 2)
    factors = {"short_factor": data.draw(pairs), "long_factor": data.draw(pairs)}
    optional = st.fixed_dictionaries({}, optional={"attention_factor": st.floats(0.5, 2.0), "factor": FACTORS})
    given_config = config(
        head_dim,
        rope_type="longrope",
        rope_theta=theta,
        original_max_position_embeddings=old,
        **factors,
        **data.draw(optional),
    )
    expected, attention = ROPE_INIT_FUNCTIONS["longrope"](given_config, seq_len=CONTEXT)
    rope = read_rope(given_config, "full_attention")
    np.testing.assert_allclose(inverse_frequencies(rope, head_dim), expected.numpy(), rtol=2e-5)
    np.testing.assert_allclose(rope.attention_factor, attention, rtol=1e-6)


@given(head_dim=HEAD_DIMS, theta=THETAS, share=st.floats(0.01, 1.0), optional=st.booleans(), factor=FACTORS)
def test_proportional_frequencies_equal_transformers(
    head_dim: int, theta: float, share: float, optional: bool, factor: float
) -> None:
    rope = {"rope_theta": theta, "partial_rotary_factor": share} | ({"factor": factor} if optional else {})
    assert_same_frequencies(config(head_dim, rope_type="proportional", **rope), "proportional")


@settings(deadline=None)
@given(head_dim=HEAD_DIMS, theta=THETAS, factor=FACTORS, length=st.integers(1, 8 * CONTEXT))
def test_dynamic_frequencies_equal_transformers_at_each_length(
    head_dim: int, theta: float, factor: float, length: int
) -> None:
    given_config = config(head_dim, rope_type="dynamic", rope_theta=theta, factor=factor)
    expected, _ = ROPE_INIT_FUNCTIONS["dynamic"](given_config, seq_len=length)
    rope = read_rope(given_config, "full_attention")
    actual = dynamic_frequencies(rope, jnp.array([[length - 1]]), head_dim)
    np.testing.assert_allclose(actual[0, 0], expected.numpy(), rtol=2e-5)


@settings(deadline=None)
@given(kind=st.sampled_from(["default", "dynamic"]), first=st.integers(0, 4 * CONTEXT), at=st.integers(0, 15))
def test_angles_of_a_token_do_not_depend_on_its_chunk(kind: str, first: int, at: int) -> None:
    factor = {"factor": 2.0} if kind == "dynamic" else {}
    rope = read_rope(config(16, rope_type=kind, rope_theta=1e4, **factor), "full_attention")
    together = cos_sin(rope, first + jnp.arange(16)[None], 16)
    alone = cos_sin(rope, jnp.array([[first + at]]), 16)
    for whole, part in zip(together, alone, strict=True):
        np.testing.assert_allclose(whole[0, at], part[0, 0], atol=1e-6)


@settings(deadline=None)
@given(position=st.integers(0, 10_000), seed=st.integers(0, 2**31))
def test_rotation_is_complex_multiplication_of_the_halves(position: int, seed: int) -> None:
    rope = read_rope(config(16, rope_type="default", rope_theta=1e4), "full_attention")
    x = np.random.default_rng(seed).normal(size=(1, 1, 3, 16)).astype(np.float32)
    cos, sin = cos_sin(rope, jnp.array([[position]]), 16)
    turned = (x[..., :8] + 1j * x[..., 8:]) * (np.asarray(cos) + 1j * np.asarray(sin))[:, :, None]
    np.testing.assert_allclose(
        rotate(jnp.asarray(x), cos, sin), np.concatenate([turned.real, turned.imag], -1), atol=1e-5
    )
