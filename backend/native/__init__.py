"""Machine code for what XLA does badly on a processor: products with a kernel and rows of a table, stored in any type,
attention of one token per row over pages, products with low-rank matrices of each row's own, and the likeliest of a
whole vocabulary.

XLA's own matmul is within a tenth of memory's speed for one row of float32, but from two rows on it takes two to three
times as long, and for bfloat16, 8 and 4 bits it has nothing that is faster than float32. Here the code is written in
LLVM IR, compiled for the processor at hand by llvmlite, and called by XLA through its foreign function interface.
"""

from backend.native.jit import (
    argmax,
    attend,
    multiply,
    multiply_low_rank,
    rows,
    takes,
    takes_attention,
    takes_bfloat16,
    takes_low_rank,
    unavailable_reason,
)

__all__ = [
    "argmax",
    "attend",
    "multiply",
    "multiply_low_rank",
    "rows",
    "takes",
    "takes_attention",
    "takes_bfloat16",
    "takes_low_rank",
    "unavailable_reason",
]
