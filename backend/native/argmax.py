"""The LLVM IR of the likeliest token of each row: XLA looks for it with one thread, a number at a time."""

from dataclasses import dataclass

from backend.native.ir import Writer
from backend.native.machine import Machine
from backend.native.pool import FIRST, TYPES, Handler
from backend.native.vectors import Vectors

ALONE = 1 << 16
"""Numbers up to which one thread is faster than two."""
WIDTH, X, OUT = range(FIRST, FIRST + 3)
"""Places of the work."""


@dataclass(frozen=True)
class Argmax:
    """out int32 [B] = where each row of x float32 [B, V] is largest: the first such place, or the first NaN."""

    @property
    def name(self) -> str:
        """The name of the FFI target."""
        return "jaxchat_argmax"

    def text(self, machine: Machine, version: int) -> str:
        """The functions part(work, start, stop) and handle(frame), an XLA_FFI_Handler of version 0.`version`."""
        handler = Handler(version)
        w, x = handler.w, handler.argument(0)
        handler.put(X, handler.data(x), "ptr")
        handler.put(OUT, handler.data(handler.result(0)), "ptr")
        rows, width = handler.dimension(x, 0), handler.dimension(x, 1)
        handler.put(WIDTH, width)
        entry = handler.finish(rows, 1, w.value(f"icmp sle i64 {w.i64('mul', rows, width)}, {ALONE}"))
        return TYPES + _intrinsics(machine.lanes) + _part(machine.lanes) + entry


def _part(lanes: int) -> str:
    """part(work, start, stop): the rows from start to stop."""
    w, bits = Writer(), f"<{lanes} x i1>"
    v = Vectors(w, lanes)
    floats, integers = v.floats, v.integers
    width = w.load("i64", w.at("i64", "%work", WIDTH))
    x, out = (w.load("ptr", w.at("i64", "%work", place)) for place in (X, OUT))
    last = w.i64("sub", width, lanes)  # the last vector takes numbers of the one before it again
    largest, unordered, first = w.slot(floats), w.slot(bits), w.slot(integers)
    with w.loop("%start", "%stop", 1) as row:
        numbers = w.at("float", x, w.i64("mul", row, width))
        w.store(floats, "splat (float 0xFFF0000000000000)", largest, 64)
        w.store(bits, "zeroinitializer", unordered, 64)
        with w.loop(0, width, lanes) as k:
            value = w.load(floats, w.at("float", numbers, w.least(k, last)), 4)
            before, seen = w.load(floats, largest, 64), w.load(bits, unordered, 64)
            both = f"{floats} {before}, {floats} {value}"
            w.store(floats, w.value(f"call {floats} @llvm.maxnum.v{lanes}f32({both})"), largest, 64)
            w.store(bits, w.value(f"or {bits} {seen}, {w.value(f'fcmp uno {floats} {value}, {value}')}"), unordered, 64)
        best = w.load(floats, largest, 64)
        top = w.value(f"call float @llvm.vector.reduce.fmax.v{lanes}f32({floats} {best})")
        some = w.value(f"call i1 @llvm.vector.reduce.or.v{lanes}i1({bits} {w.load(bits, unordered, 64)})")
        tops = v.splat(top)
        w.store(integers, f"splat (i32 {2**31 - 1})", first, 64)
        with w.loop(0, width, lanes) as k:
            start = w.least(k, last)
            value = w.load(floats, w.at("float", numbers, start), 4)
            equal = w.value(f"fcmp oeq {floats} {value}, {tops}")
            none = w.value(f"fcmp uno {floats} {value}, {value}")
            here = w.value(f"select i1 {some}, {bits} {none}, {bits} {equal}")
            steps = ", ".join(f"i32 {lane}" for lane in range(lanes))
            begin = v.int_splat(w.value(f"trunc i64 {start} to i32"))
            places = w.value(f"add {integers} {begin}, <{steps}>")
            before = w.load(integers, first, 64)
            nearest = w.value(f"call {integers} @llvm.smin.v{lanes}i32({integers} {before}, {integers} {places})")
            w.store(integers, w.value(f"select {bits} {here}, {integers} {nearest}, {integers} {before}"), first, 64)
        place = w.value(f"call i32 @llvm.vector.reduce.smin.v{lanes}i32({integers} {w.load(integers, first, 64)})")
        w.store("i32", place, w.at("i32", out, row), 4)
    w.returns("void")
    return w.function("internal void @part(ptr %work, i64 %start, i64 %stop)", "#0")


def _intrinsics(lanes: int) -> str:
    floats, integers = f"<{lanes} x float>", f"<{lanes} x i32>"
    return (
        f"declare {floats} @llvm.maxnum.v{lanes}f32({floats}, {floats})\n"
        f"declare {integers} @llvm.smin.v{lanes}i32({integers}, {integers})\n"
        f"declare float @llvm.vector.reduce.fmax.v{lanes}f32({floats})\n"
        f"declare i1 @llvm.vector.reduce.or.v{lanes}i1(<{lanes} x i1>)\n"
        f"declare i32 @llvm.vector.reduce.smin.v{lanes}i32({integers})\n"
    )
