"""Every family against transformers (torch, fp32) on random small checkpoints, through our own loader."""

import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder
from backend.models.weights import load
from tests.parity.checkpoints import NEW, PROMPT, Oracle, checkpoints, oracle, save
from tests.parity.programs import CHUNK, greedy, prefill, whole_logits

FAMILIES = {
    "llama": ("default", "llama3", "dynamic"),
    "mistral": ("default", "yarn"),
    "qwen2": ("default", "yarn", "dynamic"),
    "qwen3": ("default", "yarn", "linear"),
    "gemma2": ("default", "llama3"),
    "gemma3_text": ("default", "linear", "yarn"),
    "gemma4_text": ("proportional", "default"),
    "gemma4_unified_text": ("proportional",),
}
"""Each family with its rope kinds; every kind is in several."""
CASES = [(family, kind) for family, kinds in FAMILIES.items() for kind in kinds]
TOLERANCE = 1e-4
"""Relative to the largest logit: how far logits may differ, and how close the two largest count as a tie."""


@pytest.mark.parametrize(("family", "rope_kind"), CASES)
@settings(
    max_examples=2,
    deadline=None,
    derandomize=False,
    database=None,
    phases=[Phase.generate],  # every new combination is compiled, so shrinking would take many minutes
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_decoder_agrees_with_transformers(family: str, rope_kind: str, data: st.DataObject) -> None:
    drawn = data.draw(checkpoints(family, rope_kind))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(drawn, folder)
        expected = oracle(folder, drawn.seed)
        decoder = load(open_checkpoint(folder), jnp.float32)
    whole = whole_logits(decoder, expected.tokens[:, :-1])
    assert_close(whole, expected.logits)
    assert_greedy_is_identical(decoder, expected, data.draw(cuts()))


def assert_greedy_is_identical(decoder: Decoder, expected: Oracle, sizes: list[int]) -> None:
    """Prefill in chunks, then decode: the same logits as the whole forward and the same tokens as `generate`."""
    prompt, caches = prefill(decoder, expected.tokens[:, :PROMPT], sizes, PROMPT + NEW)
    assert_close(prompt, expected.logits[:, :PROMPT])
    tokens, logits = greedy(decoder, prompt[:, -1].argmax(-1), caches, PROMPT, NEW)
    clear = steps_before_a_tie(expected.logits[:, PROMPT - 1 :])
    assume(clear.sum() >= NEW)
    for row, steps in enumerate(clear):
        np.testing.assert_array_equal(tokens[row, :steps], expected.tokens[row, PROMPT : PROMPT + steps])
        fed = min(steps, NEW - 1)
        assert_close(logits[row, :fed], expected.logits[row, PROMPT : PROMPT + fed])


def assert_close(actual: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def steps_before_a_tie(logits: np.ndarray) -> np.ndarray:
    """Per row of [B, NEW, V], how many greedy choices come before the first that rounding could turn."""
    top = np.sort(logits, axis=-1)[..., -2:]
    tied = top[..., 1] - top[..., 0] < TOLERANCE * np.abs(logits).max()
    return np.where(tied.any(-1), tied.argmax(-1), tied.shape[1])


@st.composite
def cuts(draw: st.DrawFn) -> list[int]:
    """Chunk sizes that add up to the prompt."""
    sizes: list[int] = []
    while (left := PROMPT - sum(sizes)) > 0:
        sizes.append(draw(st.integers(1, min(left, CHUNK))))
    return sizes
