"""The LLVM IR of products with low-rank matrices, of which each row of activations has its own pair (LoRA adapters)."""

from dataclasses import dataclass

from backend.native.ir import Writer
from backend.native.machine import Machine
from backend.native.pool import FIRST, TYPES, Handler
from backend.native.vectors import Vectors

BLOCK = 16
"""Outputs whose weights lie together: of all of a block's for the first rank, then for the second ..."""
TILE = 4
"""Rows of activations with one pair that are taken together, so that weights are read once for all of them."""
RANK_STEP = 4
"""Ranks whose sums are kept in registers together; ranks that are used are a multiple of it."""
ALONE = 1 << 16
"""Weights up to which one thread is faster than two."""
INPUTS, X, SLOTS, ORDER, RANKS, DOWN = range(FIRST, FIRST + 6)
PARTS = DOWN + 1
"""Places of the work; behind them four of each part: blocks of outputs, up, bias and out."""
MOST_PARTS = 4


@dataclass(frozen=True)
class LowRankProduct:
    """out [M, N] float32 = bias + up (down x) for x [M, K], with down, up and bias of each row's slot, for each part.

    parts: of the outputs, each with its own down and up. rank: Q, that there is room for.
    """

    parts: int
    rank: int

    @property
    def name(self) -> str:
        """The name of the FFI target."""
        return f"jaxchat_low_rank_{self.parts}_{self.rank}"

    def text(self, machine: Machine, version: int) -> str:
        """The functions part(work, start, stop) and handle(frame), an XLA_FFI_Handler of version 0.`version`.

        The handler's arguments: x [M, K]; slots int32 [M], below 0 for none, where out is 0; order int32 [M], of the
        rows, in which those of a slot follow each other; ranks int32 [J], used of each slot, multiples of RANK_STEP;
        down [J, parts, Q, K]; for each part up [J, N / BLOCK, Q, BLOCK]; for each part bias [J, N]. Results: out of
        each part.
        """
        handler = Handler(version)
        x = handler.argument(0)
        for place, argument in zip((X, SLOTS, ORDER, RANKS, DOWN), range(5), strict=True):
            handler.put(place, handler.data(handler.argument(argument)), "ptr")
        rows, inputs = handler.dimension(x, 0), handler.dimension(x, 1)
        handler.put(INPUTS, inputs)
        for part in range(self.parts):
            up, bias = handler.argument(5 + part), handler.argument(5 + self.parts + part)
            first = PARTS + 4 * part
            handler.put(first, handler.dimension(up, 1))
            for place, buffer in enumerate((up, bias, handler.result(part)), first + 1):
                handler.put(place, handler.data(buffer), "ptr")
        w = handler.w
        weights = w.i64("mul", w.i64("mul", rows, inputs), self.parts * self.rank)
        entry = handler.finish(rows, TILE, w.value(f"icmp sle i64 {weights}, {ALONE}"))
        return TYPES + _intrinsics(machine.lanes) + _Part(self, machine.lanes).text() + entry


class _Part:
    """part(work, start, stop): the rows at places start to stop of the order."""

    def __init__(self, product: LowRankProduct, lanes: int) -> None:
        self.product, self.lanes, self.w = product, lanes, Writer()
        self.v = Vectors(self.w, lanes)
        self.vector = self.v.floats
        self.step = RANK_STEP if lanes >= BLOCK else RANK_STEP // 2  # sums of a tile fit the registers

    def text(self) -> str:
        w = self.w
        self.inputs = w.load("i64", w.at("i64", "%work", INPUTS))
        self.x, self.slots, self.order, self.ranks, self.down = (
            w.load("ptr", w.at("i64", "%work", place)) for place in (X, SLOTS, ORDER, RANKS, DOWN)
        )
        self.outputs = []
        for part in range(self.product.parts):
            first = PARTS + 4 * part
            blocks = w.load("i64", w.at("i64", "%work", first))
            arrays = [w.load("ptr", w.at("i64", "%work", first + place)) for place in (1, 2, 3)]
            self.outputs.append((blocks, *arrays))
        self.inner = w.slot("float", TILE * self.product.rank)
        with w.loop("%start", "%stop", TILE) as place:
            self._places(place, w.i64("sub", "%stop", place))
        w.returns("void")
        return w.function("internal void @part(ptr %work, i64 %start, i64 %stop)", "#0")

    def _places(self, place: str, left: str) -> None:
        """The next rows, together where they are TILE with one slot, else one by one."""
        w = self.w
        rows = [
            self._integer(self.order, w.least(w.i64("add", place, i), w.i64("sub", "%stop", 1))) for i in range(TILE)
        ]
        slots = [self._integer(self.slots, row) for row in rows]
        alike = w.value(f"icmp sge i64 {left}, {TILE}")
        for slot in slots[1:]:
            same = w.value(f"icmp eq i64 {slot}, {slots[0]}")
            alike = w.value(f"and i1 {alike}, {same}")
        alone = w.value(f"xor i1 {alike}, true")
        with w.when(alike):
            self._tile(rows, slots[0])
        with w.when(alone), w.loop(place, w.least(w.i64("add", place, TILE), "%stop"), 1) as one:
            row = self._integer(self.order, one)
            self._tile([row], self._integer(self.slots, row))

    def _tile(self, rows: list[str], slot: str) -> None:
        w = self.w
        with w.when(w.value(f"icmp slt i64 {slot}, 0")):
            for blocks, _, _, out in self.outputs:
                self._clear(rows, blocks, out)
        with w.when(w.value(f"icmp sge i64 {slot}, 0")):
            rank = self._integer(self.ranks, slot)
            for number, (blocks, up, bias, out) in enumerate(self.outputs):
                self._reduce(rows, w.i64("add", w.i64("mul", slot, self.product.parts), number), rank)
                self._expand(rows, slot, rank, blocks, up, bias, out)

    def _clear(self, rows: list[str], blocks: str, out: str) -> None:
        w, width = self.w, self.w.i64("mul", blocks, BLOCK)
        for row in rows:
            target = w.at("float", out, w.i64("mul", row, width))
            with w.loop(0, width, self.lanes) as n:
                w.store(self.vector, "zeroinitializer", w.at("float", target, n), 4)

    def _reduce(self, rows: list[str], pair: str, rank: str) -> None:
        """inner [TILE, Q] = down x, for one part of a slot."""
        w = self.w
        size = w.i64("mul", self.inputs, self.product.rank)
        down = w.at("float", self.down, w.i64("mul", pair, size))
        xs = [w.at("float", self.x, w.i64("mul", row, self.inputs)) for row in rows]
        with w.loop(0, rank, self.step) as first:
            weights = [w.at("float", down, w.i64("mul", w.i64("add", first, i), self.inputs)) for i in range(self.step)]
            sums = [[w.slot(self.vector) for _ in weights] for _ in rows]
            for sum in (sum for of_row in sums for sum in of_row):
                w.store(self.vector, "zeroinitializer", sum, 64)
            with w.loop(0, self.inputs, self.lanes) as k:
                loaded = [w.load(self.vector, w.at("float", weight, k), 4) for weight in weights]
                for x, of_row in zip(xs, sums, strict=True):
                    value = w.load(self.vector, w.at("float", x, k), 4)
                    for weight, sum in zip(loaded, of_row, strict=True):
                        w.store(self.vector, self.v.fma(weight, value, w.load(self.vector, sum, 64)), sum, 64)
            for number, of_row in enumerate(sums):
                for i, sum in enumerate(of_row):
                    name = f"@llvm.vector.reduce.fadd.v{self.lanes}f32"
                    total = f"call reassoc float {name}(float 0.0, {self.vector} {w.load(self.vector, sum, 64)})"
                    place = w.i64("add", first, number * self.product.rank + i)
                    w.store("float", w.value(total), w.at("float", self.inner, place), 4)

    def _expand(self, rows: list[str], slot: str, rank: str, blocks: str, up: str, bias: str, out: str) -> None:
        """out = bias + up inner, for one part of a slot."""
        w, vectors = self.w, BLOCK // self.lanes
        width = w.i64("mul", blocks, BLOCK)
        ups = w.at("float", up, w.i64("mul", w.i64("mul", slot, width), self.product.rank))
        own = w.at("float", bias, w.i64("mul", slot, width))
        targets = [w.at("float", out, w.i64("mul", row, width)) for row in rows]
        with w.loop(0, width, BLOCK) as n:
            start = w.at("float", own, n)
            sums = [[w.slot(self.vector) for _ in range(vectors)] for _ in rows]
            for of_row in sums:
                for i, sum in enumerate(of_row):
                    value = w.load(self.vector, w.at("float", start, i * self.lanes), 4)
                    w.store(self.vector, value, sum, 64)
            block = w.at("float", ups, w.i64("mul", n, self.product.rank))
            with w.loop(0, rank, 1) as r:
                weights = w.at("float", block, w.i64("mul", r, BLOCK))
                loaded = [w.load(self.vector, w.at("float", weights, i * self.lanes), 4) for i in range(vectors)]
                for number, of_row in enumerate(sums):
                    place = w.at("float", self.inner, w.i64("add", r, number * self.product.rank))
                    value = self.v.splat(w.load("float", place, 4))
                    for weight, sum in zip(loaded, of_row, strict=True):
                        w.store(self.vector, self.v.fma(weight, value, w.load(self.vector, sum, 64)), sum, 64)
            for target, of_row in zip(targets, sums, strict=True):
                for i, sum in enumerate(of_row):
                    place = w.at("float", target, w.i64("add", n, i * self.lanes))
                    w.store(self.vector, w.load(self.vector, sum, 64), place, 4)

    def _integer(self, array: str, place: str) -> str:
        """Element `place` of an array of int32, as i64."""
        return self.w.value(f"sext i32 {self.w.load('i32', self.w.at('i32', array, place), 4)} to i64")


def _intrinsics(lanes: int) -> str:
    vector = f"<{lanes} x float>"
    return (
        f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})\n"
        f"declare float @llvm.vector.reduce.fadd.v{lanes}f32(float, {vector})\n"
    )
