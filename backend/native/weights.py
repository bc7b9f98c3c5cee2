"""LLVM IR that reads the weights of a stored kernel, in the type that they are multiplied in."""

from backend.native.ir import Writer
from backend.native.stored import STORED
from backend.native.vectors import Vectors

SPAN = 4096
"""Weights of a kernel's row at most whose scales are turned into float32 at a time."""
LEAST_GROUP = 16
"""Weights of a group at least: a vector of the longest."""

BFLOAT16 = """
declare <16 x float> @llvm.x86.avx512bf16.dpbf16ps.512(<16 x float>, <32 x bfloat>, <32 x bfloat>)
declare <32 x bfloat> @llvm.x86.avx512bf16.cvtne2ps2bf16.512(<16 x float>, <16 x float>)
declare <16 x bfloat> @llvm.x86.avx512bf16.cvtneps2bf16.512(<16 x float>)
declare <32 x i16> @llvm.x86.avx512.permvar.hi.512(<32 x i16>, <32 x i16>)
"""


class Weights:
    """The weights of a kernel [N, K], for a function in which %kernel, %scale, %offset, %inputs and %groups stand.

    kernel, scale, group, offset, in_bfloat16: as `Product` has them. `outputs` are those of one tile. A vector of
    `loaded` type has `width` weights; `step` of them are the least that are read together.
    """

    def __init__(
        self,
        w: Writer,
        lanes: int,
        outputs: int,
        *,
        kernel: str,
        scale: str,
        group: int,
        offset: bool,
        in_bfloat16: bool,
    ) -> None:
        self.w, self.lanes, self.v = w, lanes, Vectors(w, lanes)
        self._kernel, self._scale, self._group, self._offset, self._short = kernel, scale, group, offset, in_bfloat16
        self.stored = STORED[kernel]
        self.element = "bfloat" if in_bfloat16 else "float"
        self.width = 2 * lanes if in_bfloat16 else lanes
        self.step = max(self.width, lanes * self.stored.vectors)
        self.vector, self.loaded = self.v.floats, f"<{self.width} x {self.element}>"
        halves = ("scale", "offset")[: 1 + offset] if group and scale == "float16" else ()
        self._floats_of = {array: w.slot("float", outputs * SPAN // LEAST_GROUP) for array in halves}
        self._converted: dict[tuple[str, str], str] = {}

    def convert_scales(self, ids: list[str], start: str, stop: str) -> None:
        """What the weights start to stop of each output are scaled by, as float32: one after the other costs most."""
        w, group = self.w, self._group
        for array, floats in self._floats_of.items():
            for number, id in enumerate(ids):
                first, last = (w.i64("udiv", k, group) for k in (start, stop))
                source = w.at("half", f"%{array}", w.i64("mul", id, "%groups"))
                target = w.at("float", floats, w.i64("sub", number * SPAN // LEAST_GROUP, first))
                self._converted[array, id] = target
                with w.loop(first, last, 1) as place:
                    half = w.load("half", w.at("half", source, place), 2)
                    w.store("float", w.value(f"fpext half {half} to float"), w.at("float", target, place), 4)

    def row(self, output: str) -> str:
        """The address of the weights of an output."""
        w = self.w
        bits = w.i64("mul", w.i64("mul", output, "%inputs"), self.stored.bits)
        return w.at("i8", "%kernel", w.i64("lshr", bits, 3))

    def multiplied(self, output: str, row: str, k: str, vectors: int) -> list[str]:
        """So many vectors of an output's weights from k on, in the type that they are multiplied in."""
        w, values = self.w, list[str]()
        if not self._short:
            return self.floats(output, row, k, vectors)
        if self._kernel == "bfloat16":
            places = (w.i64("add", k, number * self.lanes) for number in range(0, vectors, 2))
            return [w.load(self.loaded, w.at("bfloat", row, place), 2) for place in places]
        if self.stored.codes:
            return self._look_up(output, row, k, vectors)
        floats = self.floats(output, row, k, vectors)
        for low, high in zip(floats[::2], floats[1::2], strict=True):
            both = f"{self.vector} {high}, {self.vector} {low}"
            values.append(w.value(f"call {self.loaded} @llvm.x86.avx512bf16.cvtne2ps2bf16.512({both})"))
        return values

    def _look_up(self, output: str, row: str, k: str, vectors: int) -> list[str]:
        """The same for weights of four bits, by a table of the 16 that there are in a group, or in all."""
        w, values, words = self.w, list[str](), "<32 x i16>"
        codes = ", ".join(f"float {code:.1f}" for code in self.stored.codes)
        (floats,) = self._scaled(output, k, [f"<{codes}>"])
        short = w.value(f"call <16 x bfloat> @llvm.x86.avx512bf16.cvtneps2bf16.512({self.vector} {floats})")
        bits = w.value(f"bitcast <16 x bfloat> {short} to <16 x i16>")
        order = ", ".join(f"i32 {place}" if place < 16 else "i32 poison" for place in range(32))
        table = w.value(f"shufflevector <16 x i16> {bits}, <16 x i16> poison, <32 x i32> <{order}>")
        for number in range(0, vectors, 2):
            place = w.i64("lshr", w.i64("add", k, number * self.lanes), 1)
            bytes = w.value(f"zext <16 x i8> {w.load('<16 x i8>', w.at('i8', row, place), 1)} to <16 x i32>")
            # The lower word of each number keeps the first weight of a byte, the upper one takes the second.
            pairs = w.value(f"or <16 x i32> {bytes}, {w.value(f'shl <16 x i32> {bytes}, splat (i32 12)')}")
            which = w.value(f"bitcast <16 x i32> {w.value(f'and <16 x i32> {pairs}, splat (i32 983055)')} to {words}")
            found = w.value(f"call {words} @llvm.x86.avx512.permvar.hi.512({words} {table}, {words} {which})")
            values.append(w.value(f"bitcast {words} {found} to {self.loaded}"))
        return values

    def floats(self, output: str, row: str, k: str, vectors: int) -> list[str]:
        """So many float32 vectors of an output's weights from k on; scaled, unless all of the row share one scale."""
        w, values = self.w, list[str]()
        for number in range(0, vectors, self.stored.vectors):
            values += self.stored.decode(w, self.lanes, row, w.i64("add", k, number * self.lanes))
        return self._scaled(output, k, values)

    def _scaled(self, output: str, k: str, values: list[str]) -> list[str]:
        """Vectors of an output's group at k, times its scale and with its offset added, where groups have them."""
        w = self.w
        if not self._group:
            return values
        scale = self._group_scale("scale", output, k)
        if not self._offset:
            return [w.value(f"fmul {self.vector} {value}, {scale}") for value in values]
        offset = self._group_scale("offset", output, k)
        return [self.v.fma(value, scale, offset) for value in values]

    def _group_scale(self, array: str, output: str, k: str) -> str:
        w, place = self.w, self.w.i64("udiv", k, self._group)
        if converted := self._converted.get((array, output)):
            return self.v.splat(w.load("float", w.at("float", converted, place), 4))
        return self.splat(f"%{array}", w.i64("add", w.i64("mul", output, "%groups"), place))

    def scalar(self, array: str, place: str) -> str:
        """One number of "%scale" or "%offset", as float32."""
        w = self.w
        if self._scale == "float16":
            return w.value(f"fpext half {w.load('half', w.at('half', array, place), 2)} to float")
        return w.load("float", w.at("float", array, place), 4)

    def splat(self, array: str, place: str) -> str:
        """The same in all lanes."""
        return self.v.splat(self.scalar(array, place))
