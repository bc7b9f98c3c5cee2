"""Products with a low-rank pair of each row's own, against NumPy, and what must not depend on anything else."""

import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backend import native
from backend.native.low_rank import BLOCK

WIDE = st.sampled_from([1, 2, 5])


def drawn(data: st.DataObject, rows: int) -> dict:
    """A call's arguments: sizes, slots and ranks of any kind."""
    inputs, parts = 16 * data.draw(WIDE), data.draw(st.integers(1, 4))
    slots, rank = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([8, 16, 24]))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    some = random.integers(-1, slots, rows).astype(np.int32)
    blocks = [data.draw(WIDE) for _ in range(parts)]
    return {
        "x": random.standard_normal((rows, inputs), np.float32),
        "slots": some,
        "order": np.argsort(some, kind="stable").astype(np.int32),
        "ranks": (4 * random.integers(0, rank // 4 + 1, slots)).astype(np.int32),
        "down": random.standard_normal((slots, parts, rank, inputs), np.float32),
        "ups": [random.standard_normal((slots, wide, rank, BLOCK), np.float32) for wide in blocks],
        "biases": [random.standard_normal((slots, wide * BLOCK), np.float32) for wide in blocks],
    }


def expected(given: dict, row: int, part: int) -> np.ndarray:
    slot = given["slots"][row]
    if slot < 0:
        return np.zeros(given["biases"][part].shape[1])
    rank = given["ranks"][slot]
    inner = given["down"][slot, part, :rank].astype(np.float64) @ given["x"][row]
    up = given["ups"][part][slot][:, :rank].astype(np.float64)
    return given["biases"][part][slot] + np.einsum("wrb,r->wb", up, inner).reshape(-1)


@settings(max_examples=40)
@given(st.data())
def test_each_row_is_multiplied_with_the_pair_of_its_slot(data: st.DataObject) -> None:
    """Rows without a slot get nothing; ranks beyond a slot's own are not used, whatever stands there."""
    rows = data.draw(st.sampled_from([1, 2, 3, 4, 5, 9, 32, 65]))
    given = drawn(data, rows)
    found = native.multiply_low_rank(**arrays(given))
    for part, out in enumerate(found):
        wanted = np.stack([expected(given, row, part) for row in range(rows)])
        np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=2e-3)


@settings(max_examples=10)
@given(st.data())
def test_a_row_is_the_same_bits_whatever_rows_are_beside_it(data: st.DataObject) -> None:
    given = drawn(data, 33)
    together = native.multiply_low_rank(**arrays(given))
    for row in range(0, 33, 4):
        one = {"x": given["x"][[row]], "slots": given["slots"][[row]], "order": np.zeros(1, np.int32)}
        for out, alone in zip(together, native.multiply_low_rank(**arrays(given | one)), strict=True):
            np.testing.assert_array_equal(out[row], alone[0])


def arrays(given: dict) -> dict:
    return {k: [jnp.asarray(a) for a in v] if isinstance(v, list) else jnp.asarray(v) for k, v in given.items()}
