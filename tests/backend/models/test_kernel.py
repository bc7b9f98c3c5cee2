"""A kernel gives the products of the weights it stands for, by native code and by XLA alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from backend.models.kernel import Kernel
from backend.models.quantization import FP8, INT4, INT8, Quantized, WeightFormat, dequantize, quantize

FORMATS = [INT8, INT4, FP8, WeightFormat("int8", "float16", 32), *map(WeightFormat, ("float32", "bfloat16", "float16"))]


def kernel_of(format: WeightFormat, native: bool, outputs: int = 40, inputs: int = 96) -> tuple[Kernel, np.ndarray]:
    weights = np.random.default_rng(1).standard_normal((outputs, inputs)).astype(np.float32)
    kernel = nnx.eval_shape(lambda: Kernel(jnp.zeros((outputs, inputs))))
    kernel.keep_in(format)
    parts = quantize(weights, format) if format.scales else Quantized(weights.astype(jnp.dtype(format.values)))
    for variable, array in zip((kernel.values, kernel.scales, kernel.offsets), parts, strict=True):
        assert (variable is None) is (array is None)
        if variable is not None:
            variable.set_value(jnp.asarray(array))
    kernel.native = native
    assert kernel.format == format
    return kernel, dequantize(parts)


@pytest.mark.parametrize("format", FORMATS, ids=str)
@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("rows", [1, 3, 130])
def test_products(format: WeightFormat, native: bool, rows: int) -> None:
    kernel, weights = kernel_of(format, native)
    x = np.random.default_rng(2).standard_normal((rows, 2, 96)).astype(np.float32)
    found = jax.jit(lambda x: kernel(x))(jnp.asarray(x))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, x @ weights.T, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_bfloat16_activations_give_bfloat16_or_what_is_asked_for(format: WeightFormat) -> None:
    kernel, weights = kernel_of(format, native=False)
    x = jnp.asarray(np.random.default_rng(2).standard_normal((5, 96)), jnp.bfloat16)
    exact = np.asarray(x, np.float32) @ weights.T
    assert kernel(x).dtype == jnp.bfloat16
    np.testing.assert_allclose(kernel(x, jnp.dtype(jnp.float32)), exact, rtol=0.05, atol=0.3)


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_rows_of_a_table(format: WeightFormat) -> None:
    kernel, weights = kernel_of(format, native=True)
    ids = jnp.asarray([[3, 0], [39, 3]])
    np.testing.assert_allclose(kernel.rows(ids, jnp.dtype(jnp.float32)), weights[np.asarray(ids)], rtol=1e-6, atol=1e-6)
