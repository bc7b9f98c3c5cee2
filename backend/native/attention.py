"""The LLVM IR of attention for one new token per row, over keys and values in pages."""

from dataclasses import dataclass

from backend.native.ir import Writer
from backend.native.machine import Machine
from backend.native.pool import FIRST, TYPES, Handler
from backend.native.stored import STORED
from backend.native.vectors import Vectors, exponential

CHUNK_PAGES = 8
"""Pages whose scores are kept before the running softmax takes them in."""
MASKED = "0xC6293E5940000000"
"""-1e30 as LLVM writes a float32: the score of a key that is not seen."""
ALONE = 1 << 15
"""Numbers of keys and values up to which one thread is faster than two."""
(HEADS, PAGES, PAGE_TABLE, POSITIONS, SPEC, Q, OUT) = range(FIRST, FIRST + 7)
POOLS = OUT + 1
"""Places of the work: kv heads, pages of a row's table; and the addresses of the arrays, pools behind the others."""


@dataclass(frozen=True)
class PagedDecode:
    """out [B, N, H] float32 = softmax(scale q kᵀ) v for queries [B, N, H] float32, one per row, whose keys are written.

    cache: name of the dtype of pools [P, K, L, H]. head_dim: H. page_tokens: L. group: G = N / K. scaled: whether the
    numbers of a position and head are multiples of a scale, in pools float32 [P, K, L].
    """

    cache: str
    head_dim: int
    page_tokens: int
    group: int
    scaled: bool = False

    @property
    def pools(self) -> int:
        """How many pools a layer has."""
        return 4 if self.scaled else 2

    @property
    def name(self) -> str:
        """The name of the FFI target."""
        scaled = "_scaled" * self.scaled
        return f"jaxchat_attention_{self.cache}{scaled}_{self.head_dim}_{self.page_tokens}_{self.group}"

    def text(self, machine: Machine, version: int) -> str:
        """The functions part(work, start, stop) and handle(frame), an XLA_FFI_Handler of version 0.`version`.

        The handler's arguments: q, page_table int32 [B, M], positions int32 [B], and spec float32 [3]: the factor of
        the scores, the window (0 for none) and the softcap (0 for none); the pools of keys and values and, if there are
        any, of their scales; and for each pool what is written to it first, at the rows' positions: [B, K, H], or
        [B, K] of scales. Its results: out, and the pools, in the same memory. A row at position -1 writes nothing and
        gets zeros.
        """
        lanes = machine.lanes
        return TYPES + _intrinsics(lanes) + exponential(lanes) + _Part(self, lanes).text() + self._handler(version)

    def _handler(self, version: int) -> str:
        handler = Handler(version)
        w = handler.w
        q, table, positions, spec = (handler.argument(place) for place in range(4))
        for place, buffer in ((Q, q), (PAGE_TABLE, table), (POSITIONS, positions), (SPEC, spec)):
            handler.put(place, handler.data(buffer), "ptr")
        handler.put(OUT, handler.data(handler.result(0)), "ptr")
        for number in range(self.pools):
            handler.put(POOLS + number, handler.data(handler.result(1 + number)), "ptr")
            new = handler.argument(4 + self.pools + number)
            handler.put(POOLS + self.pools + number, handler.data(new), "ptr")
        heads, rows = handler.dimension(handler.result(1), 1), handler.dimension(q, 0)
        handler.put(HEADS, heads)
        handler.put(PAGES, handler.dimension(table, 1))
        furthest = self._furthest(w, handler.data(positions), rows)
        numbers = w.i64("mul", w.i64("mul", furthest, rows), w.i64("mul", heads, 2 * self.head_dim))
        alone = w.value(f"icmp sle i64 {numbers}, {ALONE}")
        return handler.finish(w.i64("mul", rows, heads), 1, alone)

    def _furthest(self, w: Writer, positions: str, rows: str) -> str:
        most = w.slot("i64")
        w.store("i64", "0", most)
        with w.loop(0, rows, 1) as row:
            position = w.value(f"sext i32 {w.load('i32', w.at('i32', positions, row), 4)} to i64")
            w.store("i64", w.value(f"call i64 @llvm.smax.i64(i64 {position}, i64 {w.load('i64', most)})"), most)
        return w.load("i64", most)


class _Part:
    """part(work, start, stop): the pairs of a row and a kv head from start to stop."""

    def __init__(self, shape: PagedDecode, lanes: int) -> None:
        self.shape, self.lanes = shape, lanes
        self.vectors = shape.head_dim // lanes
        self.chunk = CHUNK_PAGES * shape.page_tokens
        self.stored = STORED[shape.cache]
        self.w = Writer()
        self.v = Vectors(self.w, lanes)
        self.vector, self.integers = self.v.floats, self.v.integers

    def text(self) -> str:
        w, group = self.w, self.shape.group
        for place, name in ((HEADS, "heads"), (PAGES, "pages")):
            w.emit(f"%{name} = load i64, ptr {w.at('i64', '%work', place)}")
        pools = ("k", "v", "k_scale", "v_scale")[: self.shape.pools]
        names = ("table", "positions", "spec", "q", "out", *pools, *(f"new_{pool}" for pool in pools))
        for place, name in enumerate(names, PAGE_TABLE):
            w.emit(f"%{name} = load ptr, ptr {w.at('i64', '%work', place)}")
        for place, name in enumerate(("scale", "window_size", "softcap")):
            w.emit(f"%{name} = load float, ptr {w.at('float', '%spec', place)}")
        w.emit("%window = fptosi float %window_size to i64")
        self.scores = w.slot("float", group * self.chunk)
        self.sums = w.slot("float", group * self.shape.head_dim)
        self.tops, self.totals = w.slot("float", group), w.slot("float", group)
        with w.loop("%start", "%stop", 1) as item:
            self._item(w.i64("sdiv", item, "%heads"), w.i64("srem", item, "%heads"))
        w.returns("void")
        return w.function("internal void @part(ptr %work, i64 %start, i64 %stop)", "#0")

    def _item(self, row: str, head: str) -> None:
        w, shape = self.w, self.shape
        position = w.value(f"sext i32 {w.load('i32', w.at('i32', '%positions', row), 4)} to i64")
        query = w.i64("mul", w.i64("add", w.i64("mul", row, "%heads"), head), shape.group * shape.head_dim)
        q, out = w.at("float", "%q", query), w.at("float", "%out", query)
        table = w.at("i32", "%table", w.i64("mul", row, "%pages"))
        with w.when(w.value(f"icmp sge i64 {position}, 0")):
            self._write(row, table, head, position)
        with w.loop(0, shape.group * shape.head_dim, self.lanes) as place:
            w.store(self.vector, "zeroinitializer", w.at("float", self.sums, place), 4)
        with w.loop(0, shape.group, 1) as place:
            w.store("float", MASKED, w.at("float", self.tops, place), 4)
            w.store("float", "0.0", w.at("float", self.totals, place), 4)
        # Chunks begin at the same positions in every row: so a row's sums are those it has alone.
        least = w.i64("add", w.i64("sub", position, "%window"), 1)
        windowed = w.value(f"call i64 @llvm.smax.i64(i64 {least}, i64 0)")
        lowest = w.value(f"select i1 {w.value('icmp sgt i64 %window, 0')}, i64 {windowed}, i64 0")
        first = w.i64("mul", w.i64("sdiv", lowest, self.chunk), self.chunk)
        end = w.i64("add", position, 1)
        with w.loop(first, end, self.chunk) as start:
            stop = w.least(w.i64("add", start, self.chunk), end)
            self._score_pages(q, table, head, start, stop, lowest, position)
            with w.loop(0, shape.group, 1) as member:
                self._take_in(member, table, head, start, stop)
        with w.loop(0, shape.group, 1) as member:
            total = w.load("float", w.at("float", self.totals, member), 4)
            some = w.value(f"fcmp ogt float {total}, 0.0")
            divisor = self.v.splat(w.value(f"select i1 {some}, float {total}, float 1.0"))
            for vector in range(self.vectors):
                place = w.i64("add", w.i64("mul", member, shape.head_dim), vector * self.lanes)
                sum = w.load(self.vector, w.at("float", self.sums, place), 4)
                w.store(self.vector, w.value(f"fdiv {self.vector} {sum}, {divisor}"), w.at("float", out, place), 4)

    def _write(self, row: str, table: str, head: str, position: str) -> None:
        """The new keys and values of a row and kv head, to where they belong."""
        w, shape = self.w, self.shape
        number = w.i64("add", w.i64("mul", row, "%heads"), head)
        token = w.i64("srem", position, shape.page_tokens)
        size = shape.head_dim * self.stored.bits // 8
        for pool in ("k", "v"):
            target = w.at("i8", self._page(f"%{pool}", table, head, position), w.i64("mul", token, size))
            source = w.at("i8", f"%new_{pool}", w.i64("mul", number, size))
            with w.loop(0, size, self.lanes) as place:
                type = f"<{self.lanes} x i8>"
                w.store(type, w.load(type, w.at("i8", source, place), 1), w.at("i8", target, place), 1)
            if shape.scaled:
                scale = w.load("float", w.at("float", f"%new_{pool}_scale", number), 4)
                scales = self._scales(f"%{pool}_scale", table, head, position)
                w.store("float", scale, w.at("float", scales, token), 4)

    def _score_pages(self, q: str, table: str, head: str, start: str, stop: str, lowest: str, position: str) -> None:
        """The scores of the keys start ... stop for each query head of the group; past the stop they are masked."""
        w, shape = self.w, self.shape
        with w.loop(start, stop, shape.page_tokens) as key:
            page = self._page("%k", table, head, key)
            with w.loop(0, shape.group, 1) as member:
                query = w.at("float", q, w.i64("mul", member, shape.head_dim))
                parts = [w.load(self.vector, w.at("float", query, n * self.lanes), 4) for n in range(self.vectors)]
                place = w.i64("add", w.i64("mul", member, self.chunk), w.i64("sub", key, start))
                for first in range(0, shape.page_tokens, self.lanes):
                    sums = [self._dot(parts, page, first + lane) for lane in range(self.lanes)]
                    raw = w.value(f"fmul {self.vector} {self.v.across(sums)}, {self.v.splat('%scale')}")
                    if shape.scaled:
                        scales = w.load(
                            self.vector, w.at("float", self._scales("%k_scale", table, head, key), first), 4
                        )
                        raw = w.value(f"fmul {self.vector} {raw}, {scales}")
                    seen = self._seen(w.i64("add", key, first), lowest, position)
                    raw = self._capped(raw)
                    masked = w.value(
                        f"select <{self.lanes} x i1> {seen}, {self.vector} {raw}, {self.vector} splat (float {MASKED})"
                    )
                    w.store(self.vector, masked, w.at("float", self.scores, w.i64("add", place, first)), 4)

    def _take_in(self, member: str, table: str, head: str, start: str, stop: str) -> None:
        """Add a chunk to the running softmax of one query head (Milakov and Gimelshein, 2018)."""
        w = self.w
        scores = w.at("float", self.scores, w.i64("mul", member, self.chunk))
        count = w.i64("sub", stop, start)
        best = w.slot(self.vector)
        w.store(self.vector, f"splat (float {MASKED})", best, 64)
        with w.loop(0, count, self.lanes) as place:
            both = f"{self.vector} {w.load(self.vector, w.at('float', scores, place), 4)}"
            before = w.load(self.vector, best, 64)
            now = w.value(f"call {self.vector} @llvm.maxnum.v{self.lanes}f32({both}, {self.vector} {before})")
            w.store(self.vector, now, best, 64)
        highest = w.load(self.vector, best, 64)
        chunk_top = w.value(f"call float @llvm.vector.reduce.fmax.v{self.lanes}f32({self.vector} {highest})")
        top_place, total_place = w.at("float", self.tops, member), w.at("float", self.totals, member)
        top = w.load("float", top_place, 4)
        new_top = w.value(f"call float @llvm.maxnum.f32(float {top}, float {chunk_top})")
        w.store("float", new_top, top_place, 4)
        shift = self.v.splat(new_top)
        kept = self.v.exp(w.value(f"fsub {self.vector} {self.v.splat(top)}, {shift}"))
        added = w.slot(self.vector)
        w.store(self.vector, "zeroinitializer", added, 64)
        with w.loop(0, count, self.lanes) as place:
            address = w.at("float", scores, place)
            raw = w.load(self.vector, address, 4)
            weight = self.v.exp(w.value(f"fsub {self.vector} {raw}, {shift}"))
            seen = w.value(f"fcmp ogt {self.vector} {raw}, splat (float {MASKED})")
            masked = f"select <{self.lanes} x i1> {seen}, {self.vector} {weight}, {self.vector} zeroinitializer"
            weight = w.value(masked)
            w.store(self.vector, weight, address, 4)
            sum = w.value(f"fadd {self.vector} {w.load(self.vector, added, 64)}, {weight}")
            w.store(self.vector, sum, added, 64)
        name = f"@llvm.vector.reduce.fadd.v{self.lanes}f32"
        chunk_total = w.value(f"call reassoc float {name}(float 0.0, {self.vector} {w.load(self.vector, added, 64)})")
        kept_one = w.value(f"extractelement {self.vector} {kept}, i64 0")
        scaled = w.value(f"fmul float {w.load('float', total_place, 4)}, {kept_one}")
        w.store("float", w.value(f"fadd float {scaled}, {chunk_total}"), total_place, 4)
        self._add_values(member, scores, kept, table, head, start, stop)

    def _add_values(self, member: str, weights: str, kept: str, table: str, head: str, start: str, stop: str) -> None:
        """sums = kept * sums + weights times values; those past the stop may be anything, and are not touched."""
        w, shape = self.w, self.shape
        target = w.at("float", self.sums, w.i64("mul", member, shape.head_dim))
        places = [w.at("float", target, number * self.lanes) for number in range(self.vectors)]
        sums = [w.slot(self.vector) for _ in places]
        for place, sum in zip(places, sums, strict=True):
            w.store(self.vector, w.value(f"fmul {self.vector} {w.load(self.vector, place, 4)}, {kept}"), sum, 64)
        with w.loop(start, stop, shape.page_tokens) as key:
            page = self._page("%v", table, head, key)
            last = w.least(w.i64("sub", stop, key), shape.page_tokens)
            with w.loop(0, last, 1) as token:
                place = w.i64("add", w.i64("sub", key, start), token)
                weight = w.load("float", w.at("float", weights, place), 4)
                if shape.scaled:
                    scale = w.load("float", w.at("float", self._scales("%v_scale", table, head, key), token), 4)
                    weight = w.value(f"fmul float {weight}, {scale}")
                weight = self.v.splat(weight)
                for number, value in enumerate(self._row(page, token)):
                    before = w.load(self.vector, sums[number], 64)
                    w.store(self.vector, self.v.fma(weight, value, before), sums[number], 64)
        for place, sum in zip(places, sums, strict=True):
            w.store(self.vector, w.load(self.vector, sum, 64), place, 4)

    def _page(self, pool: str, table: str, head: str, key: str) -> str:
        """The address of the page of a row and a kv head that has position `key`."""
        size = self.shape.page_tokens * self.shape.head_dim * self.stored.bits // 8
        return self._paged(pool, table, head, key, size)

    def _scales(self, pool: str, table: str, head: str, key: str) -> str:
        """The address of that page's scales."""
        return self._paged(pool, table, head, key, 4 * self.shape.page_tokens)

    def _paged(self, pool: str, table: str, head: str, key: str, size: int) -> str:
        w = self.w
        entry = w.at("i32", table, w.i64("sdiv", key, self.shape.page_tokens))
        page = w.value(f"sext i32 {w.load('i32', entry, 4)} to i64")
        place = w.i64("add", w.i64("mul", page, "%heads"), head)
        return w.at("i8", pool, w.i64("mul", place, size))

    def _row(self, page: str, token: str | int) -> list[str]:
        """The numbers of one token of a page, as vectors."""
        w, shape = self.w, self.shape
        row = w.at("i8", page, w.i64("mul", token, shape.head_dim * self.stored.bits // 8))
        values: list[str] = []
        for first in range(0, shape.head_dim, self.lanes * self.stored.vectors):
            values += self.stored.decode(w, self.lanes, row, str(first))
        return values

    def _dot(self, query: list[str], page: str, token: int) -> str:
        sum = "zeroinitializer"
        for part, key in zip(query, self._row(page, token), strict=True):
            sum = self.v.fma(part, key, sum)
        return sum

    def _seen(self, key: str, lowest: str, position: str) -> str:
        """Which of the keys from `key` on a query may see, <lanes x i1>."""
        w = self.w
        places = ", ".join(f"i32 {lane}" for lane in range(self.lanes))
        first = self.v.int_splat(w.value(f"trunc i64 {key} to i32"))
        keys = w.value(f"add {self.integers} {first}, <{places}>")
        low, high = (self.v.int_splat(w.value(f"trunc i64 {bound} to i32")) for bound in (lowest, position))
        above = w.value(f"icmp sge {self.integers} {keys}, {low}")
        below = w.value(f"icmp sle {self.integers} {keys}, {high}")
        return w.value(f"and <{self.lanes} x i1> {above}, {below}")

    def _capped(self, raw: str) -> str:
        """softcap * tanh(raw / softcap) where there is one; tanh(x) = 1 - 2 / (exp(2 x) + 1)."""
        w, vector = self.w, self.vector
        capped = w.slot(vector)
        w.store(vector, raw, capped, 64)
        with w.when(w.value("fcmp ogt float %softcap, 0.0")):
            cap = self.v.splat("%softcap")
            double = w.value(f"fmul {vector} {w.value(f'fdiv {vector} {raw}, {cap}')}, splat (float 2.0)")
            plus = w.value(f"fadd {vector} {self.v.exp(double)}, splat (float 1.0)")
            part = w.value(f"fdiv {vector} splat (float 2.0), {plus}")
            tanh = w.value(f"fsub {vector} splat (float 1.0), {part}")
            w.store(vector, w.value(f"fmul {vector} {cap}, {tanh}"), capped, 64)
        return w.load(vector, capped, 64)


def _intrinsics(lanes: int) -> str:
    vector = f"<{lanes} x float>"
    return f"""
declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})
declare {vector} @llvm.maxnum.v{lanes}f32({vector}, {vector})
declare {vector} @llvm.minnum.v{lanes}f32({vector}, {vector})
declare {vector} @llvm.rint.v{lanes}f32({vector})
declare float @llvm.maxnum.f32(float, float)
declare float @llvm.vector.reduce.fadd.v{lanes}f32(float, {vector})
declare float @llvm.vector.reduce.fmax.v{lanes}f32({vector})
"""
