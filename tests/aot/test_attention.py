"""The attention kernels of each platform compile for every chip, whatever heads a family has, and copy no pool."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest

from backend.attention import AttentionSpec, KVSpec
from backend.attention.choice import paged_attention
from backend.attention.quantization import KV_DTYPES
from backend.engine.model_runner import Program
from benchmarks.aot.chips import CHIPS
from benchmarks.aot.programs import compile_program, target

pytestmark = pytest.mark.aot
PAGES, PAGES_OF_ROW = 8192, 256
WINDOW, SOFTCAP = AttentionSpec(0.1, window=4096), AttentionSpec(0.1, window=512, softcap=50.0)


class Case(NamedTuple):
    """B rows, T tokens, N heads, K kv heads of H numbers, and the type of the cache."""

    rows: int
    tokens: int
    heads: int
    kv_heads: int
    head_dim: int
    spec: AttentionSpec = AttentionSpec(0.1)
    cached: str = "bfloat16"


CASES = {
    "decode": Case(32, 1, 32, 8, 128),
    "decode, heads of 64": Case(32, 1, 32, 8, 64),
    "decode, one kv head of 256": Case(8, 1, 8, 1, 256, SOFTCAP),
    "decode, heads of 96": Case(4, 1, 6, 2, 96),
    "decode, 7 heads each": Case(8, 1, 14, 2, 64),
    "prefill": Case(1, 1024, 32, 8, 128, WINDOW),
    "prefill, heads of 64": Case(4, 128, 32, 8, 64),
    "prefill, heads of 512": Case(2, 64, 8, 4, 512, SOFTCAP),
    "float8": Case(32, 1, 32, 8, 128, cached="float8_e4m3"),
    "float8, one kv head": Case(32, 1, 8, 1, 128, cached="float8_e4m3"),
    "float8, prefill": Case(1, 1024, 32, 8, 128, WINDOW, cached="float8_e4m3"),
    "int8": Case(32, 1, 32, 8, 128, cached="int8"),
    "int8, 7 heads each": Case(8, 1, 14, 2, 64, cached="int8"),
    "int8, one kv head": Case(32, 1, 8, 1, 128, cached="int8"),
    "int8, prefill": Case(1, 1024, 32, 8, 128, WINDOW, cached="int8"),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("chip", CHIPS)
def test_it_compiles_and_copies_no_pool(chip: str, case: str, limit) -> None:
    shape = CASES[case]
    with target(chip):
        backend = paged_attention((KVSpec(shape.kv_heads, shape.head_dim),), KV_DTYPES[shape.cached])
        cache = jax.eval_shape(lambda: backend.init_cache(PAGES))[0]

        def call(cache, q, k, v, table, positions):
            return backend.attend(table)(cache, q, k, v, positions, shape.spec)

        b, t, h = shape.rows, shape.tokens, shape.head_dim
        news = (jax.ShapeDtypeStruct((b, t, heads, h), jnp.bfloat16) for heads in (shape.heads, *[shape.kv_heads] * 2))
        table, positions = (jax.ShapeDtypeStruct((b, size), jnp.int32) for size in (PAGES_OF_ROW, t))
        program = Program(jax.jit(call, donate_argnums=0), (cache, *news, table, positions))
        made = compile_program(chip, program)
    pool = cache.k.size * cache.k.dtype.itemsize
    limit("temporaries, MiB", made.temporary_bytes / 2**20, 32)
    limit("copies as large as half a pool", len(made.module.copies(pool // 2)), 0)
