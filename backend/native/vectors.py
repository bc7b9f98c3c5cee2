"""Vectors of numbers in LLVM IR: what the kernels do with those of float32."""

import struct

from backend.native.ir import Writer


class Vectors:
    """Instructions about vectors, added to the function of a writer; each gives the name of its value.

    lanes: numbers of a vector. floats, integers: the types of those of float32 and int32.
    """

    def __init__(self, w: Writer, lanes: int) -> None:
        self._w, self._lanes = w, lanes
        self.floats, self.integers = f"<{lanes} x float>", f"<{lanes} x i32>"

    def splat(self, value: str) -> str:
        """A float32 in all lanes."""
        return self._repeated(self.floats, "float", value)

    def int_splat(self, value: str) -> str:
        """An int32 in all lanes."""
        return self._repeated(self.integers, "i32", value)

    def fma(self, a: str, b: str, c: str) -> str:
        """a b + c, rounded once. The function declares llvm.fma."""
        factors = f"{self.floats} {a}, {self.floats} {b}, {self.floats} {c}"
        return self._w.value(f"call {self.floats} @llvm.fma.v{self._lanes}f32({factors})")

    def exp(self, x: str) -> str:
        """By `exponential`, which stands beside the function."""
        return self._w.value(f"call {self.floats} @exp({self.floats} {x})")

    def across(self, vectors: list[str]) -> str:
        """From as many vectors as there are lanes, the vector of the sum of each."""
        even, odd = (", ".join(f"i32 {2 * lane + first}" for lane in range(self._lanes)) for first in (0, 1))
        while len(vectors) > 1:
            pairs = zip(vectors[::2], vectors[1::2], strict=True)
            vectors = [
                self._w.value(f"fadd {self.floats} {self._shuffled(a, b, even)}, {self._shuffled(a, b, odd)}")
                for a, b in pairs
            ]
        return vectors[0]

    def _shuffled(self, a: str, b: str, order: str) -> str:
        return self._w.value(f"shufflevector {self.floats} {a}, {self.floats} {b}, {self.integers} <{order}>")

    def _repeated(self, type: str, scalar: str, value: str) -> str:
        one = self._w.value(f"insertelement {type} poison, {scalar} {value}, i64 0")
        return self._w.value(f"shufflevector {type} {one}, {type} poison, {self.integers} zeroinitializer")


def exponential(lanes: int) -> str:
    """The function exp(x) of a vector, to two units in the last place between -87 and 88, which it keeps to.

    x = n ln 2 + r with a whole n; exp(r) by its series to the seventh power, 2ⁿ by the exponent's bits.
    """
    w, vector, integers = Writer(), f"<{lanes} x float>", f"<{lanes} x i32>"

    def call(name: str, *values: str) -> str:
        return w.value(f"call {vector} @llvm.{name}.v{lanes}f32({', '.join(f'{vector} {value}' for value in values)})")

    def constant(value: float) -> str:
        return f"splat (float {_hexadecimal(value)})"

    x = call("maxnum", call("minnum", "%x", constant(88.0)), constant(-87.0))
    n = call("rint", w.value(f"fmul {vector} {x}, {constant(1.4426950408889634)}"))
    # ln 2 in two parts, the first of few bits: its product with n is exact.
    r = call("fma", n, constant(-0.693359375), x)
    r = call("fma", n, constant(2.12194440e-4), r)
    sum, factorial = constant(1 / 5040), 5040
    for power in range(6, -1, -1):
        factorial //= power + 1
        sum = call("fma", sum, r, constant(1 / factorial))
    exponent = w.value(f"add {integers} {w.value(f'fptosi {vector} {n} to {integers}')}, splat (i32 127)")
    power_of_two = w.value(f"bitcast {integers} {w.value(f'shl {integers} {exponent}, splat (i32 23)')} to {vector}")
    w.returns(f"{vector} {w.value(f'fmul {vector} {sum}, {power_of_two}')}")
    return w.function(f"internal {vector} @exp({vector} %x)", "#1")


def _hexadecimal(value: float) -> str:
    """A float32 as LLVM writes it: the bits of the same number in double precision."""
    single = struct.unpack("<f", struct.pack("<f", value))[0]
    return f"0x{struct.unpack('<Q', struct.pack('<d', single))[0]:016X}"
