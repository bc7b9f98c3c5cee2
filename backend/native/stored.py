"""How the weights of a kernel are stored, and the LLVM IR that turns a vector of them into float32."""

from collections.abc import Callable
from dataclasses import dataclass

from backend.native.ir import Writer

Decode = Callable[[Writer, int, str, str], list[str]]
"""(writer, lanes, address of the row, index k) -> the values <lanes x float> of the weights from k on."""


@dataclass(frozen=True)
class StoredType:
    """bits: of one weight. vectors: how many vectors of `lanes` weights are decoded together.

    half: whether the processor has to convert float16. codes: the 16 numbers that four bits stand for, in their order.
    """

    bits: int
    decode: Decode
    vectors: int = 1
    half: bool = False
    codes: tuple[int, ...] = ()


def _float32(w: Writer, lanes: int, row: str, k: str) -> list[str]:
    return [w.load(f"<{lanes} x float>", w.at("float", row, k), 4)]


def _float16(w: Writer, lanes: int, row: str, k: str) -> list[str]:
    half = w.load(f"<{lanes} x half>", w.at("half", row, k), 2)
    return [w.value(f"fpext <{lanes} x half> {half} to <{lanes} x float>")]


def _bfloat16(w: Writer, lanes: int, row: str, k: str) -> list[str]:
    """A bfloat16 is the upper half of a float32."""
    bits = _wide(w, lanes, w.load(f"<{lanes} x i16>", w.at("i16", row, k), 2), "zext", 16)
    return [_as_float(w, lanes, w.value(f"shl <{lanes} x i32> {bits}, splat (i32 16)"))]


def _int8(w: Writer, lanes: int, row: str, k: str) -> list[str]:
    bytes = w.load(f"<{lanes} x i8>", w.at("i8", row, k), 1)
    return [_from_int(w, lanes, _wide(w, lanes, bytes, "sext", 8))]


def _uint8(w: Writer, lanes: int, row: str, k: str) -> list[str]:
    bytes = w.load(f"<{lanes} x i8>", w.at("i8", row, k), 1)
    return [_from_int(w, lanes, _wide(w, lanes, bytes, "zext", 8))]


def _nibbles(shift: str) -> Decode:
    """Two weights in a byte, the first in its lower half, as XLA keeps four-bit integers."""

    def decode(w: Writer, lanes: int, row: str, k: str) -> list[str]:
        type, both = f"<{lanes} x i8>", f"<{2 * lanes} x i8>"
        bytes = w.load(type, w.at("i8", row, w.i64("lshr", k, 1)), 1)
        low = w.value(f"{shift} {type} {w.value(f'shl {type} {bytes}, splat (i8 4)')}, splat (i8 4)")
        high = w.value(f"{shift} {type} {bytes}, splat (i8 4)")
        order = ", ".join(f"i32 {lane + half * lanes}" for lane in range(lanes) for half in (0, 1))
        paired = w.value(f"shufflevector {type} {low}, {type} {high}, <{2 * lanes} x i32> <{order}>")
        values = []
        for first in (0, lanes):
            places = ", ".join(f"i32 {first + lane}" for lane in range(lanes))
            half = w.value(f"shufflevector {both} {paired}, {both} poison, <{lanes} x i32> <{places}>")
            values.append(_from_int(w, lanes, _wide(w, lanes, half, "sext" if shift == "ashr" else "zext", 8)))
        return values

    return decode


def _float8_e4m3(w: Writer, lanes: int, row: str, k: str) -> list[str]:
    """Exponent and mantissa in a float16's places, then times 2^8 for the other bias.

    By way of float16, since XLA's threads take subnormal float32 for zero; converting float16 minds them. The two
    patterns that mean NaN give 480: a checkpoint has none.
    """
    type = f"<{lanes} x i16>"
    bits = w.value(f"zext <{lanes} x i8> {w.load(f'<{lanes} x i8>', w.at('i8', row, k), 1)} to {type}")
    magnitude = w.value(f"shl {type} {w.value(f'and {type} {bits}, splat (i16 127)')}, splat (i16 7)")
    sign = w.value(f"shl {type} {w.value(f'and {type} {bits}, splat (i16 128)')}, splat (i16 8)")
    half = w.value(f"bitcast {type} {w.value(f'or {type} {magnitude}, {sign}')} to <{lanes} x half>")
    wide = w.value(f"fpext <{lanes} x half> {half} to <{lanes} x float>")
    return [w.value(f"fmul <{lanes} x float> {wide}, splat (float 256.0)")]


def _wide(w: Writer, lanes: int, narrow: str, extend: str, bits: int) -> str:
    return w.value(f"{extend} <{lanes} x i{bits}> {narrow} to <{lanes} x i32>")


def _as_float(w: Writer, lanes: int, bits: str) -> str:
    return w.value(f"bitcast <{lanes} x i32> {bits} to <{lanes} x float>")


def _from_int(w: Writer, lanes: int, integers: str) -> str:
    return w.value(f"sitofp <{lanes} x i32> {integers} to <{lanes} x float>")


STORED: dict[str, StoredType] = {
    "float32": StoredType(32, _float32),
    "float16": StoredType(16, _float16, half=True),
    "bfloat16": StoredType(16, _bfloat16),
    "int8": StoredType(8, _int8),
    "uint8": StoredType(8, _uint8),
    "float8_e4m3fn": StoredType(8, _float8_e4m3, half=True),
    "int4": StoredType(4, _nibbles("ashr"), vectors=2, codes=(*range(8), *range(-8, 0))),
    "uint4": StoredType(4, _nibbles("lshr"), vectors=2, codes=tuple(range(16))),
}
"""NumPy dtype name -> how the kernel reads it."""
