"""The LLVM IR of a product of activations with a stored kernel."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from backend.native.ir import Writer
from backend.native.machine import Machine
from backend.native.pool import FIRST, TYPES, Handler
from backend.native.weights import BFLOAT16, SPAN, Weights

PANEL = 64
"""Rows of activations whose sums are kept at the same time."""
WIDE, MANY = 48, 2**62
"""Rows up to which weights of the type that is multiplied are best taken where they are; and any number of rows."""
BLOCK = 512
"""Weights of a kernel's row that are turned into float32 at a time, when several rows of activations use them."""
UNROLLED = 2
"""Vectors of a row that are taken in one go, where a group of weights does not say it."""
ALONE = 1 << 16
"""Weights up to which one thread is faster than two."""

OUTPUTS, INPUTS, ROWS, GROUPS, KERNEL, X, SCALE, OFFSET, OUT = range(FIRST, FIRST + 9)
"""Places of the work."""


@dataclass(frozen=True)
class Product:
    """out [B, N] float32 = x [B, K] times kernel [N, K], transposed.

    kernel: name of its dtype, see STORED. scale: that of its scales [N, G], "" for none. group: weights of a row that
    share a scale, 0 for all of them (G = 1). offset: whether as many offsets, of the same dtype, are added to the
    scaled weights. in_bfloat16: whether x is bfloat16, and weights become that too: half as long, for many rows.
    """

    kernel: str
    scale: str = ""
    group: int = 0
    offset: bool = False
    in_bfloat16: bool = False

    @property
    def name(self) -> str:
        """The name of the FFI target."""
        scale = [self.scale, str(self.group)] if self.scale else []
        return "_".join(
            ["jaxchat_product", self.kernel, *scale, *["offset"] * self.offset, *["in_bfloat16"] * self.in_bfloat16]
        )

    @property
    def as_stored(self) -> bool:
        """Whether weights are multiplied in the type that they are stored in."""
        return self.kernel == ("bfloat16" if self.in_bfloat16 else "float32")

    def text(self, machine: Machine, version: int) -> str:
        """The functions part(work, start, stop) and handle(frame), an XLA_FFI_Handler of version 0.`version`."""
        outputs, rows = machine.tile
        intrinsics = _intrinsics(machine) + BFLOAT16 * self.in_bfloat16
        parts = {some: _Part(self, machine, some, False) for some in (1, 2)}
        if self.as_stored:
            parts[WIDE] = _Part(self, machine, rows, False)
        parts[MANY] = _Part(self, machine, rows, True)
        bodies = "".join(part.text(f"part{most}") for most, part in parts.items())
        return TYPES + intrinsics + bodies + _choose(list(parts)) + _handler(self, outputs, version)


@dataclass(frozen=True)
class Rows:
    """out [B, K] float32 = the rows ids [B] of a kernel [N, K] that is stored as that of `product`."""

    product: Product

    @property
    def name(self) -> str:
        """The name of the FFI target."""
        return self.product.name.replace("product", "rows")

    def text(self, machine: Machine, version: int) -> str:
        """The functions part(work, start, stop) and handle(frame), an XLA_FFI_Handler of version 0.`version`.

        The handler's arguments: kernel, ids int32, and scales and offsets if there are any.
        """
        handler = Handler(version)
        _put_arrays(handler, self.product)
        count = handler.dimension(handler.argument(1), 0)
        entry = handler.finish(count, 1, "true")
        return TYPES + _intrinsics(machine) + _Part(self.product, machine, 1, False).rows_text() + entry


class _Part:
    """The sums of outputs start to stop, for all rows of activations; `rows` of them at a time.

    shared: the weights become float32 once for all of a panel's rows, in a block of memory; else anew for each `rows`.
    """

    def __init__(self, product: Product, machine: Machine, rows: int, shared: bool) -> None:
        self.product, self.lanes, self.rows = product, machine.lanes, rows
        self.outputs, self.shared, self.w = machine.tile[0], shared, Writer()
        self.weights = Weights(self.w, self.lanes, self.outputs, **asdict(product))
        self.element, self.loaded = self.weights.element, self.weights.loaded
        self.vector, self.width, self.step = self.weights.vector, self.weights.width, self.weights.step
        self.unrolled = max(self.step, product.group or UNROLLED * self.step)

    def rows_text(self) -> str:
        """part(work, start, stop), for which x is ids int32: the float32 weights of these rows into out."""
        w = self.w
        self._load_fields()
        with w.loop("%start", "%stop", 1) as place:
            given = w.value(f"sext i32 {w.load('i32', w.at('i32', '%x', place), 4)} to i64")
            positive = w.value(f"call i64 @llvm.smax.i64(i64 {given}, i64 0)")
            id = w.least(positive, "%last_output")
            row, target = self.weights.row(id), w.at("float", "%out", w.i64("mul", place, "%inputs"))
            whole = self.weights.splat("%scale", id) if self.product.scale and not self.product.group else ""

            def put(k: str, vectors: int) -> None:
                for number, value in enumerate(self.weights.floats(id, row, k, vectors)):
                    if whole:
                        value = w.value(f"fmul {self.vector} {value}, {whole}")
                    w.store(self.vector, value, w.at("float", target, w.i64("add", k, number * self.lanes)), 4)

            self._spans("0", "%inputs", put)
        w.returns("void")
        return w.function("internal void @part(ptr %work, i64 %start, i64 %stop)", "#0")

    def text(self, name: str) -> str:
        """The function of that name: (work, start, stop)."""
        w = self.w
        self._load_fields()
        self.sums = w.slot(self.vector, (PANEL + self.rows) * self.outputs)
        self.block = w.slot(self.element, BLOCK * self.outputs) if self.shared else ""
        with w.loop(0, "%rows", PANEL) as panel:
            end = w.least(w.i64("add", panel, PANEL), "%rows")
            with w.loop("%start", "%stop", self.outputs) as output:
                self._outputs(panel, end, output)
        w.returns("void")
        return w.function(f"internal void @{name}(ptr %work, i64 %start, i64 %stop)", "#0")

    def _load_fields(self) -> None:
        w = self.w
        for place, field in enumerate(("outputs", "inputs", "rows", "groups"), OUTPUTS):
            w.emit(f"%{field} = load i64, ptr {w.at('i64', '%work', place)}")
        for place, field in enumerate(("kernel", "x", "scale", "offset", "out"), KERNEL):
            w.emit(f"%{field} = load ptr, ptr {w.at('i64', '%work', place)}")
        w.emit(f"%row_bytes = lshr i64 {w.i64('mul', '%inputs', self.weights.stored.bits)}, 3")
        w.emit(f"%ahead = mul i64 %row_bytes, {self.outputs}")
        w.emit(f"%even = and i64 %inputs, {-self.unrolled}")
        w.emit("%last_output = sub i64 %outputs, 1")
        w.emit("%last_row = sub i64 %rows, 1")

    def _outputs(self, panel: str, end: str, output: str) -> None:
        """A few outputs, of all rows of a panel. Where they pass the last output, it is computed again."""
        w = self.w
        ids = [w.least(w.i64("add", output, place), "%last_output") for place in range(self.outputs)]
        count = w.i64("mul", w.i64("sub", end, panel), self.outputs)
        with w.loop(0, w.i64("add", count, (self.rows - 1) * self.outputs), 1) as place:
            w.store(self.vector, "zeroinitializer", w.at(self.vector, self.sums, place), 64)
        block = BLOCK if self.rows > 2 else SPAN
        with w.loop(0, "%inputs", block) as start:
            stop = w.least(w.i64("add", start, block), "%inputs")
            self.weights.convert_scales(ids, start, stop)
            if self.shared:
                self._decode(ids, start, stop)
            with w.loop(panel, end, self.rows) as row:
                self._tile(ids, panel, row, start, stop)
        with w.loop(panel, end, 1) as row:
            self._finish(ids, panel, row)

    def _decode(self, ids: list[str], start: str, stop: str) -> None:
        """The weights start to stop of each output into `block`, in the type that they are multiplied in."""
        w = self.w
        for place, id in enumerate(ids):
            target = w.at(self.element, self.block, place * BLOCK)
            row = self.weights.row(id)

            def put(k: str, vectors: int, id: str = id, row: str = row, target: str = target) -> None:
                self._prefetch(row, k, vectors)
                to = w.i64("sub", k, start)
                for number, value in enumerate(self.weights.multiplied(id, row, k, vectors)):
                    address = w.at(self.element, target, w.i64("add", to, number * self.width))
                    w.store(self.loaded, value, address, 64)

            self._spans(start, stop, put)

    def _tile(self, ids: list[str], panel: str, row: str, start: str, stop: str) -> None:
        """Add the products start to stop of a few rows with a few outputs to their sums."""
        w = self.w
        rows = [w.least(w.i64("add", row, place), "%last_row") for place in range(self.rows)]
        xs = [w.at(self.element, "%x", w.i64("mul", place, "%inputs")) for place in rows]
        first = w.i64("mul", w.i64("sub", row, panel), self.outputs)
        kept = [w.at(self.vector, self.sums, w.i64("add", first, place)) for place in range(self.rows * self.outputs)]
        sums = [w.slot(self.vector) for _ in kept]
        for place, sum in zip(kept, sums, strict=True):
            w.store(self.vector, w.load(self.vector, place, 64), sum, 64)
        if self.shared:
            with w.loop(0, w.i64("sub", stop, start), self.width) as k:
                at = w.i64("add", k, start)
                places = [w.i64("add", k, place * BLOCK) for place in range(self.outputs)]
                weights = [[w.load(self.loaded, w.at(self.element, self.block, place), 64)] for place in places]
                self._multiply(weights, xs, at, sums)
        else:
            addresses = [self.weights.row(id) for id in ids]

            def add(k: str, vectors: int) -> None:
                for address in addresses:
                    self._prefetch(address, k, vectors)
                weights = [self.weights.multiplied(*pair, k, vectors) for pair in zip(ids, addresses, strict=True)]
                self._multiply(weights, xs, k, sums)

            self._spans(start, stop, add)
        for place, sum in zip(kept, sums, strict=True):
            w.store(self.vector, w.load(self.vector, sum, 64), place, 64)

    def _multiply(self, weights: list[list[str]], xs: list[str], k: str, sums: list[str]) -> None:
        w = self.w
        for number in range(len(weights[0])):
            at = w.i64("add", k, number * self.width)
            for row, x in enumerate(xs):
                value = w.load(self.loaded, w.at(self.element, x, at), 2)
                for output, vectors in enumerate(weights):
                    sum = sums[row * self.outputs + output]
                    before = w.load(self.vector, sum, 64)
                    w.store(self.vector, w.value(self._sum(vectors[number], value, before)), sum, 64)

    def _sum(self, weights: str, x: str, before: str) -> str:
        factors = f"{self.loaded} {weights}, {self.loaded} {x}"
        if self.product.in_bfloat16:
            return f"call {self.vector} @llvm.x86.avx512bf16.dpbf16ps.512({self.vector} {before}, {factors})"
        return f"call {self.vector} @llvm.fma.v{self.lanes}f32({factors}, {self.vector} {before})"

    def _finish(self, ids: list[str], panel: str, row: str) -> None:
        w = self.w
        first = w.i64("mul", w.i64("sub", row, panel), self.outputs)
        target = w.at("float", "%out", w.i64("mul", row, "%outputs"))
        for place, id in enumerate(ids):
            sum = w.load(self.vector, w.at(self.vector, self.sums, w.i64("add", first, place)), 64)
            name = f"@llvm.vector.reduce.fadd.v{self.lanes}f32"
            whole = w.value(f"call reassoc float {name}(float 0.0, {self.vector} {sum})")
            if self.product.scale and not self.product.group:
                whole = w.value(f"fmul float {whole}, {self.weights.scalar('%scale', id)}")
            w.store("float", whole, w.at("float", target, id), 4)

    def _spans(self, start: str, stop: str, body: Callable[[str, int], None]) -> None:
        """`body` for k = start ... stop, with how many vectors of weights it shall take from there on."""
        w = self.w
        even = w.least(stop, "%even")
        with w.loop(start, even, self.unrolled) as k:
            body(k, self.unrolled // self.lanes)
        if not self.product.group:
            with w.loop(w.value(f"call i64 @llvm.smax.i64(i64 {start}, i64 {even})"), stop, self.step) as k:
                body(k, self.step // self.lanes)

    def _prefetch(self, row: str, k: str, vectors: int) -> None:
        """Ask for the same weights of the outputs that come next: the sums keep the processor from looking so far.

        Not where it does nothing but load them, one after the other: what it asks for by itself is then faster.
        """
        if self.rows == 1 and self.product.as_stored:
            return
        w = self.w
        place = w.i64("add", w.i64("lshr", w.i64("mul", k, self.weights.stored.bits), 3), "%ahead")
        for line in range(0, vectors * self.lanes * self.weights.stored.bits // 8, 64):
            address = w.at("i8", row, w.i64("add", place, line))
            w.emit(f"call void @llvm.prefetch.p0(ptr {address}, i32 0, i32 3, i32 1)")


def _choose(most: list[int]) -> str:
    """part(work, start, stop): the first that takes so many rows."""
    w, arguments = Writer(), "(ptr %work, i64 %start, i64 %stop)"
    rows = w.load("i64", w.at("i64", "%work", ROWS))
    for some in most:
        with w.when(w.value(f"icmp sle i64 {rows}, {some}")):
            w.emit(f"call void @part{some}{arguments}")
            w.returns("void")
    w.returns("void")
    return w.function(f"internal void @part{arguments}")


def _intrinsics(machine: Machine) -> str:
    vector = f"<{machine.lanes} x float>"
    return (
        f"declare {vector} @llvm.fma.v{machine.lanes}f32({vector}, {vector}, {vector})\n"
        f"declare float @llvm.vector.reduce.fadd.v{machine.lanes}f32(float, {vector})\n"
    )


def _put_arrays(handler: Handler, product: Product) -> None:
    """Leave the arrays of a call, and their sizes, in its work."""
    names = ["kernel", "x", *["scale"] * bool(product.scale), *["offset"] * product.offset]
    buffers = {name: handler.argument(place) for place, name in enumerate(names)} | {"out": handler.result(0)}
    for place, name in enumerate(("kernel", "x", "scale", "offset", "out"), KERNEL):
        if name in buffers:
            handler.put(place, handler.data(buffers[name]), "ptr")
    handler.put(OUTPUTS, handler.dimension(buffers["kernel"], 0))
    handler.put(INPUTS, handler.dimension(buffers["kernel"], 1))
    handler.put(ROWS, handler.dimension(buffers["x"], 0))
    handler.put(GROUPS, handler.dimension(buffers["scale"], 1) if product.scale else 1)


def _handler(product: Product, tile: int, version: int) -> str:
    handler = Handler(version)
    _put_arrays(handler, product)
    outputs, inputs = (handler.dimension(handler.argument(0), axis) for axis in (0, 1))
    alone = handler.w.value(f"icmp sle i64 {handler.w.i64('mul', outputs, inputs)}, {ALONE}")
    return handler.finish(outputs, tile, alone)
