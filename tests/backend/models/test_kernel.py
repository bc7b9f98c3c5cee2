"""A kernel gives the products of the weights it stands for, by native code and by XLA alike."""

import json
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from backend.models.kernel import Kernel, quantize_rows
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


EIGHT_BITS = {"int8": "xi8>) -> tensor<10x40xi32>", "float8_e4m3fn": "xf8E4M3FN>) -> tensor<10x40xf32>"}
"""Operands and result of a product in the program."""


@pytest.mark.parametrize("format", [INT8, FP8], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_products_in_eight_bits(format: WeightFormat, dtype: str) -> None:
    kernel, weights = kernel_of(format, native=False)
    kernel.eight_bits = True
    x = np.random.default_rng(2).standard_normal((5, 2, 96)).astype(jnp.dtype(dtype))
    x[1, 1] = 0
    values, steps = quantize_rows(jnp.asarray(x), jnp.dtype(format.values))
    exact = (np.asarray(values, np.float32) * np.asarray(steps)) @ weights.T
    found = jax.jit(lambda x: kernel(x, jnp.dtype(jnp.float32)))(jnp.asarray(x))
    off = 1e-4 if dtype == "float32" else 0.1  # halves between two values may be rounded either way
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=off)
    assert not np.asarray(found[1, 1]).any() and kernel(jnp.asarray(x)).dtype == x.dtype
    assert np.abs(found - x.astype(np.float32) @ weights.T).max() > 1e-3  # it is not the product of the floats
    assert EIGHT_BITS[format.values] in jax.jit(lambda x: kernel(x)).lower(jnp.asarray(x)).as_text()


ON_FOUR_DEVICES = """
import json, re
import jax, jax.numpy as jnp, numpy as np
from backend.models.quantization import INT8
from backend.sharding import in_groups, make_mesh, of_group, sharding
from tests.backend.models.test_kernel import kernel_of

kernel, weights = kernel_of(INT8, native=False)
kernel.eight_bits, kernel.inputs = True, "F"
mesh, values = make_mesh(jax.devices(), [2]), kernel.values.get_value()
kernel.values.set_value(jax.device_put(values, sharding(mesh, "DF", values.shape)))
x = np.random.default_rng(2).standard_normal((10, 96)).astype(np.float32)
placed = jax.device_put(x, sharding(mesh, "1F", x.shape))
compiled = jax.jit(in_groups(mesh, lambda x: kernel(x), (of_group(),), of_group())).lower(placed).compile()
sums = re.findall(r" (all-\\w+|collective-\\w+|reduce-scatter)(?:-start)?\\(", compiled.as_text())
print(json.dumps([np.asarray(compiled(placed)).tolist(), (x @ weights.T).tolist(), sums]))
"""


def test_over_devices_each_rounds_its_own_part_of_the_activations_and_they_exchange_one_sum() -> None:
    flags = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
    environment = {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags, "PYTHONPATH": "."}
    done = subprocess.run(
        [sys.executable, "-c", ON_FOUR_DEVICES], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    found, floats, exchanges = json.loads(done.stdout.splitlines()[-1])
    assert exchanges == ["all-reduce"]
    _, weights = kernel_of(INT8, native=False)
    x = np.random.default_rng(2).standard_normal((10, 96)).astype(np.float32)
    parts = [quantize_rows(jnp.asarray(part), jnp.dtype("int8")) for part in np.split(x, 4, axis=1)]
    rounded = np.concatenate([np.asarray(values, np.float32) * np.asarray(steps) for values, steps in parts], axis=1)
    np.testing.assert_allclose(found, rounded @ weights.T, rtol=1e-4, atol=1e-4)
    assert np.abs(np.subtract(found, floats)).max() > 1e-3


@pytest.mark.parametrize("dtype", ["int8", "float8_e4m3fn"])
def test_activations_become_the_nearest_values_of_their_row(dtype: str) -> None:
    x = (
        np.random.default_rng(3).standard_normal((7, 96)).astype(np.float32)
        * np.float32(10) ** np.arange(-3, 4)[:, None]
    )
    values, steps = (np.asarray(part, np.float32) for part in quantize_rows(jnp.asarray(x), jnp.dtype(dtype)))
    largest = 127 if dtype == "int8" else 448
    np.testing.assert_allclose(steps[:, 0], np.abs(x).max(-1) / largest, rtol=1e-6)
    assert (np.abs(values).max(-1) == largest).all()
    half = 0.5 if dtype == "int8" else np.maximum(np.abs(x / steps) / 16, 2**-10)
    assert (np.abs(values - x / steps) <= half * 1.001).all()


@pytest.mark.parametrize("format", [INT4, WeightFormat("int8", "float16", 32), WeightFormat("bfloat16")], ids=str)
def test_other_formats_have_no_products_in_eight_bits(format: WeightFormat) -> None:
    kernel, weights = kernel_of(format, native=False)
    kernel.eight_bits = True
    x = np.random.default_rng(2).standard_normal((5, 96)).astype(np.float32)
    np.testing.assert_allclose(kernel(jnp.asarray(x)), x @ weights.T, rtol=1e-4, atol=2e-4)
