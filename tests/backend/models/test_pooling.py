"""However texts are cut into chunks and put beside each other, they are pooled to what their formula says."""

from typing import get_args

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.models.pooling import pool_chunks
from backend.pooling import PoolingMode, joined

ROWS, CHUNK, SIZE = 3, 4, 5


def by_definition(mode: str, hidden: np.ndarray) -> np.ndarray:
    """sentence-transformers' formula, of the whole text [T, D] in float64."""
    wide, places = hidden.astype(np.float64), np.arange(1, len(hidden) + 1)[:, None]
    formulas = {
        "cls": lambda: wide[0],
        "lasttoken": lambda: wide[-1],
        "max": lambda: wide.max(0),
        "mean": lambda: wide.mean(0),
        "mean_sqrt_len_tokens": lambda: wide.sum(0) / len(wide) ** 0.5,
        "weightedmean": lambda: (wide * places).sum(0) / places.sum(),
    }
    return formulas[mode]()


@pytest.mark.parametrize("mode", get_args(PoolingMode))
@settings(max_examples=8)
@given(data=st.data())
def test_chunks_of_several_texts_are_joined_to_the_vector_of_each(mode, data):
    lengths = data.draw(st.lists(st.integers(1, 11), min_size=ROWS, max_size=ROWS))
    texts = [np.random.default_rng(size).normal(size=(size, SIZE)).astype(np.float32) - 1 for size in lengths]
    at, parts = [0] * ROWS, [[] for _ in texts]
    while any(start < len(text) for start, text in zip(at, texts, strict=True)):
        taken = [
            min(data.draw(st.integers(1, CHUNK)), len(text) - start) for start, text in zip(at, texts, strict=True)
        ]
        hidden = np.full((ROWS, CHUNK, SIZE), 99, np.float32)  # what padding computes has no meaning
        for row, count in enumerate(taken):
            hidden[row, :count] = texts[row][at[row] : at[row] + count]
        present = np.arange(CHUNK) < np.array(taken)[:, None]
        vectors = pool_chunks(mode, jnp.asarray(hidden), jnp.asarray(present), jnp.asarray(at, jnp.int32))
        for row, count in enumerate(taken):
            if count:
                parts[row].append((count, np.asarray(vectors)[row]))
                at[row] += count
    for text, own in zip(texts, parts, strict=True):
        np.testing.assert_allclose(joined(mode, own), by_definition(mode, text), rtol=1e-5, atol=1e-5)
