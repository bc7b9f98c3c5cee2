"""Native products: numbers against NumPy, and what must not depend on anything else."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend import native
from backend.models.quantization import Quantized, dequantize
from backend.native import jit
from backend.native.product import Product
from backend.native.stored import STORED

FLOATS = ("float32", "bfloat16", "float16")


def test_this_machine_has_them() -> None:
    assert native.unavailable_reason() is None


def values(random: np.random.Generator, dtype: str, shape: tuple[int, int]) -> np.ndarray:
    """All that a stored type can say, as likely as any other."""
    if "float" in dtype:
        return random.standard_normal(shape, np.float32).astype(getattr(ml_dtypes, dtype, dtype))
    info = ml_dtypes.iinfo(dtype)
    return random.integers(int(info.min), int(info.max) + 1, shape).astype(getattr(ml_dtypes, dtype, dtype))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_product_is_that_of_the_weights_a_kernel_stands_for(data: st.DataObject) -> None:
    """Every stored type, with a scale per row or per group and with offsets, at odd numbers of rows and outputs."""
    dtype = data.draw(st.sampled_from(list(STORED)))
    group = 0 if dtype in FLOATS else data.draw(st.sampled_from([0, 32, 64, 128]))
    inputs = data.draw(st.integers(1, 6)) * (group or 32) + (0 if group or "int4" in dtype else 16)
    outputs, rows = data.draw(st.integers(1, 40)), data.draw(st.sampled_from([1, 2, 3, 4, 5, 8, 31, 49, 64, 65, 130]))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    scale = data.draw(st.sampled_from(["float32", "float16"]))
    shape = (outputs, inputs // group if group else 1)
    offset = bool(group) and data.draw(st.booleans())
    kernel = Quantized(
        values(random, dtype, (outputs, inputs)),
        None if dtype in FLOATS else random.uniform(0.01, 0.1, shape).astype(scale),
        random.standard_normal(shape).astype(scale) if offset else None,
    )
    x = random.standard_normal((rows, inputs), np.float32)
    assert native.takes(inputs, dtype, group)
    found = native.multiply(jnp.asarray(x), *(None if array is None else jnp.asarray(array) for array in kernel))
    ids = random.integers(0, outputs, rows)
    some = native.rows(jnp.asarray(ids), *(None if array is None else jnp.asarray(array) for array in kernel))
    np.testing.assert_allclose(some, dequantize(kernel)[ids], rtol=1e-6, atol=1e-6)
    weights = dequantize(kernel).astype(np.float64)
    exact = x.astype(np.float64) @ weights.T
    bound = 1e-5 * (np.abs(x).astype(np.float64) @ np.abs(weights).T + 1)
    assert (np.abs(np.asarray(found) - exact) <= bound).all()


@pytest.mark.parametrize("dtype", STORED)
@pytest.mark.parametrize(("outputs", "inputs", "group"), [(7, 96, 0), (40, 544, 32), (9, 1152, 128)])
def test_bfloat16_activations_are_multiplied_with_weights_rounded_to_it(
    dtype: str, outputs: int, inputs: int, group: int
) -> None:
    if not native.takes_bfloat16(inputs):
        pytest.skip("this processor does not multiply bfloat16")
    random = np.random.default_rng(11)
    scaled = dtype not in FLOATS
    scales = (
        random.uniform(0.01, 0.1, (outputs, inputs // group if group else 1)).astype(np.float32) if scaled else None
    )
    kernel = Quantized(values(random, dtype, (outputs, inputs)), scales)
    x = jnp.asarray(random.standard_normal((67, inputs)), jnp.bfloat16)
    rounded = np.asarray(jnp.asarray(dequantize(kernel)).astype(jnp.bfloat16), np.float64)
    if scales is not None and not group:  # a scale of a whole row is applied to the sum
        rounded = np.asarray(kernel.values, np.float64) * scales
    wide = np.asarray(x, np.float64)
    for rows in (1, 2, 3, 67):
        found = native.multiply(x[:rows], *(None if array is None else jnp.asarray(array) for array in kernel))
        bound = 2e-4 * (np.abs(wide) @ np.abs(rounded).T + 1e-3)
        assert (np.abs(np.asarray(found) - wide[:rows] @ rounded.T) <= bound[:rows]).all()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "uint4"])
@pytest.mark.parametrize("outputs", [3, 700])
@pytest.mark.parametrize("activations", ["float32", "bfloat16"])
def test_a_row_is_the_same_bits_whatever_rows_are_beside_it(dtype: str, outputs: int, activations: str) -> None:
    random = np.random.default_rng(7)
    kernel = jnp.asarray(values(random, dtype, (outputs, 1056)))
    scales = None if dtype in FLOATS else jnp.asarray(random.uniform(0.01, 0.1, (outputs, 33)), jnp.float32)
    if activations == "bfloat16" and not native.takes_bfloat16(1056):
        pytest.skip("this processor does not multiply bfloat16")
    x = jnp.asarray(random.standard_normal((130, 1056)), activations)
    alone = np.concatenate([native.multiply(x[row : row + 1], kernel, scales) for row in range(len(x))])
    for rows in (2, 3, 4, 7, 49, 65, 130):
        np.testing.assert_array_equal(native.multiply(x[:rows], kernel, scales), alone[:rows])


def test_many_threads_may_multiply_at_once() -> None:
    """More callers than the pool has threads: none waits for a task that never runs."""
    random = np.random.default_rng(3)
    kernel = jnp.asarray(random.standard_normal((2048, 256), np.float32))
    xs = [jnp.asarray(random.standard_normal((rows % 5 + 1, 256), np.float32)) for rows in range(64)]

    def often(x: jax.Array) -> jax.Array:
        start = jnp.zeros((len(x), len(kernel)))
        return jax.lax.fori_loop(0, 8, lambda _, sum: sum + native.multiply(x, kernel), start)

    product = jax.jit(often)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(product, xs))
    for x, sums in zip(xs, found, strict=True):
        np.testing.assert_allclose(sums, 8 * np.asarray(x @ kernel.T), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("inputs", "dtype", "group"),
    [
        (24, "float32", 0),
        (48, "int4", 0),
        (64, "int32", 0),
        (64, "int8", 8),
        (96, "int8", 64),
        (512, "int8", 256),
        (192, "int8", 96),
    ],
)
def test_what_does_not_fit_vectors_is_not_taken(inputs: int, dtype: str, group: int) -> None:
    assert not native.takes(inputs, dtype, group)


def test_names_tell_products_apart() -> None:
    products = [
        Product(kernel, scale, group, offset)
        for kernel in STORED
        for scale, group, offset in [
            ("", 0, False),
            ("float32", 0, False),
            ("float16", 32, False),
            ("float16", 32, True),
        ]
    ]
    assert len({product.name for product in products}) == len(products)


def test_without_llvmlite_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "llvmlite.binding", None)
    assert "llvmlite" in (jit._missing.__wrapped__() or "")


def test_another_foreign_function_interface_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "_ffi_version", lambda: 99)
    assert "jaxlib" in (jit._missing.__wrapped__() or "")
