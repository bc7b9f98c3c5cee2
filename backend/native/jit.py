"""Compiles the products for this machine, and makes them known to XLA."""

import ctypes
import re
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp

from backend.native.argmax import Argmax
from backend.native.attention import PagedDecode
from backend.native.low_rank import MOST_PARTS, LowRankProduct
from backend.native.machine import Machine
from backend.native.pool import THREADS
from backend.native.product import Product, Rows
from backend.native.stored import STORED
from backend.target import platform

FFI_VERSIONS = range(3, 6)
"""Minor versions of XLA's foreign function interface (major 0) whose call frames have the places used here."""
MOST_GROUPED = 128
"""Weights of a group at most, of which it is a part: the code for one group has no loop."""
ATTRIBUTES = (
    'attributes #0 = { noinline "prefer-vector-width"="512" "min-legal-vector-width"="512" }\n'
    'attributes #1 = { alwaysinline "prefer-vector-width"="512" "min-legal-vector-width"="512" }\n'
)
_compiled: list[object] = []
"""What the code lives in: it must stay for as long as the process."""
_lock = threading.Lock()


def unavailable_reason() -> str | None:
    """Why products have to be left to XLA on this machine; None where they have not."""
    return "it is for processors" if platform() != "cpu" else _missing()


@cache
def _missing() -> str | None:
    """Why there is no machine code for this processor."""
    if jax.device_count() > 1:
        return "there are several devices, over which only XLA splits a product"
    try:
        import llvmlite.binding  # noqa: F401
    except (ImportError, OSError) as error:
        return f"llvmlite cannot be imported: {error}"
    if _ffi_version() not in FFI_VERSIONS:
        return "this version of jaxlib has another foreign function interface"
    try:
        _register(Product("float32"))
    except RuntimeError as error:  # llvmlite's, where it cannot make code for this processor
        return f"llvmlite cannot compile: {error}"
    return None


def takes(inputs: int, kernel: str, group: int = 0) -> bool:
    """Whether `multiply` takes a kernel of that dtype (its name) and row length, with a scale for each `group` weights.

    group: 0 for one scale per row, or none.
    """
    stored = STORED.get(kernel)
    if unavailable_reason() is not None or stored is None or (stored.half and not _machine().half):
        return False
    step = _machine().lanes * stored.vectors
    grouped = group % step == 0 and inputs % group == 0 and MOST_GROUPED % group == 0 if group else True
    return inputs % step == 0 and grouped


def takes_bfloat16(inputs: int) -> bool:
    """Whether `multiply` takes x of bfloat16, with rows of so many weights, beside what `takes` says."""
    return unavailable_reason() is None and _machine().bfloat16 and inputs % 32 == 0


def multiply(
    x: jax.Array, kernel: jax.Array, scales: jax.Array | None = None, offsets: jax.Array | None = None
) -> jax.Array:
    """x [B, K] times kernelᵀ, kernel [N, K] of a dtype in STORED -> float32 [B, N].

    x: float32, or bfloat16 where `takes_bfloat16`: weights are rounded to that too, and many rows take half as long.

    scales: float32 or float16 [N, G], by which each K / G weights of a row are multiplied; offsets: the same shape and
    dtype, added after that. The sums are of float32 products, in an order that does not depend on B.
    """
    product = _product(kernel, scales, offsets, in_bfloat16=x.dtype == jnp.bfloat16)
    _register(product)
    out = jax.ShapeDtypeStruct((x.shape[0], kernel.shape[0]), jnp.float32)
    parameters = [array for array in (scales, offsets) if array is not None]
    result: jax.Array = jax.ffi.ffi_call(product.name, out)(kernel, x, *parameters)
    return result


def rows(
    ids: jax.Array, kernel: jax.Array, scales: jax.Array | None = None, offsets: jax.Array | None = None
) -> jax.Array:
    """The rows ids int32 [B] of a kernel as `multiply` takes it -> float32 [B, K]; ids out of range are the nearest."""
    kind = Rows(_product(kernel, scales, offsets))
    _register(kind)
    out = jax.ShapeDtypeStruct((ids.shape[0], kernel.shape[1]), jnp.float32)
    parameters = [array for array in (scales, offsets) if array is not None]
    result: jax.Array = jax.ffi.ffi_call(kind.name, out)(kernel, ids.astype(jnp.int32), *parameters)
    return result


def _product(
    kernel: jax.Array, scales: jax.Array | None, offsets: jax.Array | None, in_bfloat16: bool = False
) -> Product:
    groups = 1 if scales is None else scales.shape[1]
    group = 0 if groups == 1 and offsets is None else kernel.shape[1] // groups
    scale = "" if scales is None else scales.dtype.name
    return Product(kernel.dtype.name, scale, group, offsets is not None, in_bfloat16)


def takes_attention(cache: str, head_dim: int, page_tokens: int) -> bool:
    """Whether `attend` takes pools of that dtype (its name), H numbers per head and L positions per page."""
    stored = STORED.get(cache)
    if (
        unavailable_reason() is not None
        or stored is None
        or stored.vectors > 1
        or (stored.half and not _machine().half)
    ):
        return False
    return head_dim % _machine().lanes == 0 and page_tokens % _machine().lanes == 0


def attend(
    q: jax.Array,
    pools: Sequence[jax.Array],
    news: Sequence[jax.Array],
    page_table: jax.Array,
    positions: jax.Array,
    *,
    scale: float,
    window: int | None = None,
    softcap: float | None = None,
) -> tuple[jax.Array, ...]:
    """Write a key and a value per row and head to pages, then attend with one query per row over all that is there.

    q: float32 [B, N, H]. pools: of keys and of values [P, K, L, H], and of what these are multiples of, float32
    [P, K, L], or neither. news: what is written to each pool, of its dtype, [B, K, H] or [B, K]. page_table: int32
    [B, M], the pages of each row's positions in order. positions: int32 [B], where each row is: it sees the keys up to
    there, of which only the last `window` if that is set. Position -1 writes nothing and gives zeros. scale: of the
    scores, which then become softcap * tanh(scores / softcap) if that is set. Gives out float32 [B, N, H] and the
    pools, which are changed in place where nobody else has them. A row's result is the same bits whatever rows are
    beside it.
    """
    keys = pools[0]
    kernel = PagedDecode(keys.dtype.name, q.shape[2], keys.shape[2], q.shape[1] // keys.shape[1], len(pools) > 2)
    _register(kernel)
    spec = jnp.asarray([scale, window or 0, softcap or 0], jnp.float32)
    shapes = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in (q, *pools)]
    aliases = {4 + number: 1 + number for number in range(len(pools))}
    call = jax.ffi.ffi_call(kernel.name, shapes, input_output_aliases=aliases)
    return tuple(call(q, page_table, positions, spec, *pools, *news))


def takes_low_rank(inputs: int, parts: int, dtype: str) -> bool:
    """Whether `multiply_low_rank` takes weights of that dtype (its name), rows of so many inputs, and so many parts."""
    if unavailable_reason() is not None or dtype != "float32":
        return False
    return inputs % _machine().lanes == 0 and parts <= MOST_PARTS


def multiply_low_rank(
    x: jax.Array,
    slots: jax.Array,
    order: jax.Array,
    ranks: jax.Array,
    down: jax.Array,
    ups: Sequence[jax.Array],
    biases: Sequence[jax.Array],
) -> tuple[jax.Array, ...]:
    """bias + up (down x) with the matrices of each row's slot, for each part float32 [M, N].

    x: float32 [M, K]. slots: int32 [M], below 0 for none, which gives 0. order: int32 [M], the rows such that those of
    one slot follow each other; it decides how fast this is, and nothing else. ranks: int32 [J], how much of Q each slot
    uses, multiples of 4. down: float32 [J, parts, Q, K]. ups: for each part [J, N / 16, Q, 16], the weights of 16
    outputs side by side. biases: for each part [J, N].
    A row's result is the same bits whatever rows are beside it.
    """
    kernel = LowRankProduct(down.shape[1], down.shape[2])
    _register(kernel)
    shapes = [jax.ShapeDtypeStruct((len(x), bias.shape[1]), jnp.float32) for bias in biases]
    return tuple(jax.ffi.ffi_call(kernel.name, shapes)(x, slots, order, ranks, down, *ups, *biases))


def argmax(x: jax.Array) -> jax.Array:
    """Where each row of x float32 [B, V] is largest, int32 [B]: what `jnp.argmax` gives, which stands in for it."""
    if unavailable_reason() is not None or x.shape[1] < _machine().lanes:
        return jnp.argmax(x, axis=-1).astype(jnp.int32)
    _register(Argmax())
    result: jax.Array = jax.ffi.ffi_call(Argmax().name, jax.ShapeDtypeStruct(x.shape[:1], jnp.int32))(x)
    return result


def _register(kernel: Product | Rows | PagedDecode | Argmax | LowRankProduct) -> None:
    with _lock:
        _register_once(kernel)


@cache
def _register_once(kernel: Product | Rows | PagedDecode | Argmax | LowRankProduct) -> None:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    features = llvm.get_host_cpu_features()
    module = llvm.parse_assembly(kernel.text(_machine(), _ffi_version()) + THREADS + ATTRIBUTES)
    module.verify()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=3
    )
    passes = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(module, passes)
    engine = llvm.create_mcjit_compiler(module, target)
    engine.finalize_object()
    _compiled.append(engine)
    capsule = ctypes.pythonapi.PyCapsule_New
    capsule.restype, capsule.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    handler = capsule(engine.get_function_address("handle"), None, None)
    jax.ffi.register_ffi_target(kernel.name, handler, platform="cpu")


@cache
def _machine() -> Machine:
    """Vectors and tiles that fit the processor's registers: 32 of 512 bits, 16 of 256, or 32 of 128."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return Machine(lanes=16, tile=(5, 4), bfloat16=bool(features.get("avx512bf16")))
    if features.get("avx2"):
        return Machine(lanes=8, tile=(3, 4))
    return Machine(lanes=8, tile=(3, 4)) if features.get("neon") else Machine(lanes=4, tile=(2, 4), half=False)


@cache
def _ffi_version() -> int:
    """Minor version of the interface of the jaxlib at hand, from its header; -1 where that has none."""
    header = Path(jax.ffi.include_dir(), "xla", "ffi", "api", "c_api.h")
    text = header.read_text() if header.is_file() else ""
    found = dict(re.findall(r"#define XLA_FFI_API_(MAJOR|MINOR) (\d+)", text))
    return int(found["MINOR"]) if found.get("MAJOR") == "0" and "MINOR" in found else -1
