"""The kernels of this platform against what they must agree with: the reference, the host, and brute force."""

import random
import time
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from backend.attention import AttentionBackend, AttentionSpec, KVSpec
from backend.attention.choice import paged_attention
from backend.attention.quantization import KV_DTYPES
from backend.attention.reference import PagedAttention, even_page_table
from backend.sampling import kernels as sampling_kernels
from backend.sampling import threshold
from backend.target import compiling_for, platform
from benchmarks.device.measuring import seconds
from tests.backend.grammar.device.samples import Walk, counted, nested_lists, random_grammar, small_vocabulary

TOLERANCE = 0.03
"""Largest difference from the reference in float32 of numbers of about 1, kept and multiplied in bfloat16; of 8 bits
four times that."""
WINDOW, SOFTCAP = AttentionSpec(0.1, window=200), AttentionSpec(0.1, window=130, softcap=20.0)


class Case(NamedTuple):
    """B rows with a prompt of S tokens, N heads, K kv heads of H numbers, and the type of the cache."""

    rows: int
    prompt: int
    heads: int
    kv_heads: int
    head_dim: int
    spec: AttentionSpec = AttentionSpec(0.1)
    cached: str = "bfloat16"


CASES = {
    "8 b": Case(32, 512, 32, 8, 128),
    "1 b": Case(64, 512, 32, 8, 64),
    "one kv head of 256, a softcap": Case(8, 512, 8, 1, 256, SOFTCAP),
    "heads of 96": Case(4, 256, 6, 2, 96),
    "7 heads each, a window": Case(8, 512, 14, 2, 64, WINDOW),
}
EIGHT_BITS = {"float8": Case(32, 512, 32, 8, 128, cached="float8_e4m3"), "int8": Case(8, 512, 14, 2, 64, cached="int8")}
TINY = {"tiny": Case(2, 40, 4, 2, 64), "tiny, a window": Case(1, 40, 3, 1, 96, AttentionSpec(0.1, 7, 4.0))}


def back_end(kind: str, case: Case) -> AttentionBackend:
    """The back end of a platform; interpreted where the process has none of these devices."""
    with compiling_for(kind):
        made = paged_attention((KVSpec(case.kv_heads, case.head_dim),), jnp.dtype(KV_DTYPES[case.cached]))
    return made if kind == platform() else replace(made, interpret=True)


def attention(name: str, case: Case, kind: str) -> dict[str, Any]:
    """A prompt and the token behind it, beside the reference in float32, which keeps what the back end keeps."""
    pages = case.rows * (case.prompt // 16 + 1)
    table = even_page_table(pages, case.rows)
    keys = iter(jax.random.split(jax.random.key(0), 6))
    positions = jnp.tile(jnp.arange(case.prompt + 1, dtype=jnp.int32), (case.rows, 1))
    parts = (positions[:, : case.prompt], positions[:, case.prompt :])

    def numbers(tokens: int, heads: int) -> jax.Array:
        return jax.random.normal(next(keys), (case.rows, tokens, heads, case.head_dim), jnp.bfloat16)

    calls = [([numbers(part.shape[1], n) for n in (case.heads, case.kv_heads, case.kv_heads)], part) for part in parts]
    ours = back_end(kind, case)
    reference = PagedAttention((KVSpec(case.kv_heads, case.head_dim),), jnp.dtype(KV_DTYPES[case.cached]))

    def run(backend: AttentionBackend, cache: Any, given: tuple[list[jax.Array], jax.Array], dtype: Any) -> Any:
        @jax.jit
        def attend(cache: Any, q: jax.Array, k: jax.Array, v: jax.Array, at: jax.Array) -> Any:
            return backend.attend(table)(cache, q.astype(dtype), k, v, at, case.spec)

        (q, k, v), at = given
        return attend, (cache, q, k, v, at)

    caches = {"ours": ours.init_cache(pages)[0], "reference": reference.init_cache(pages)[0]}
    errors = []
    for call in calls:
        attend, arguments = run(ours, caches["ours"], call, jnp.bfloat16)
        out, caches["ours"] = attend(*arguments)
        expected, arguments_of = run(reference, caches["reference"], call, jnp.float32)
        with jax.default_matmul_precision("highest"):
            right, caches["reference"] = expected(*arguments_of)
        errors.append(float(jnp.abs(out.astype(jnp.float32) - right).max()))
    taken = seconds(lambda: attend(*arguments)[0]) if kind == platform() else None  # not of an interpreter
    allowed = TOLERANCE * (4 if KV_DTYPES[case.cached].itemsize == 1 else 1)
    return {
        "kernel": "attention", "case": name, "platform": kind, "passed": max(errors) <= allowed,
        "error of prompt": errors[0], "error of decoding": errors[1], "seconds of decoding": taken,
    }  # fmt: skip


def search(rows: int, vocab: int) -> dict[str, Any]:
    """The threshold of top-k and top-p in a kernel, beside sorting."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, vocab)).astype(np.float32)
    target = rng.integers(1, vocab, rows).astype(np.float32)
    found = jax.jit(sampling_kernels.least_taken if platform() != "tpu" else threshold.least_taken)
    arguments = [jnp.asarray(x) for x in (values, np.ones_like(values), target)]
    expected = np.take_along_axis(-np.sort(-values, axis=1), target.astype(int)[:, None] - 1, 1)[:, 0]
    passed = bool((np.asarray(found(*arguments)) == expected).all())
    return {"kernel": "threshold", "passed": passed, "seconds": seconds(lambda: found(*arguments))}


def grammars(steps: int) -> dict[str, Any]:
    """Masks of every token and the states behind drawn ones, beside the automaton on the host."""
    rng, tokens = random.Random(0), small_vocabulary()
    walk = Walk(
        tokens, [random_grammar(rng), None, nested_lists(), counted(1, 9)], pool=16 if platform() == "tpu" else 0
    )
    same = 0
    for _ in range(steps):
        mask = walk.host_mask()
        same += bool((walk.device_mask() == mask).all())
        walk.draw([rng.choice([int(id) for id in np.flatnonzero(row) if tokens[id]] or [0]) for row in mask])
    return {"kernel": "grammar", "passed": same == steps, "steps": steps}


def measure(rehearse: bool) -> list[dict[str, Any]]:
    """Every kernel; in a rehearsal those of GPUs and TPUs interpreted, in tiny cases."""
    began = time.monotonic()
    kinds = ("gpu", "tpu") if platform() == "cpu" else (platform(),)
    cases = TINY if rehearse else CASES | (EIGHT_BITS if platform() == "gpu" else {})
    found = [attention(name, case, kind) for kind in kinds for name, case in cases.items()]
    found += [search(2, 500) if rehearse else search(64, 131_072), grammars(3 if rehearse else 12)]
    return [*found, {"seconds": time.monotonic() - began}]
