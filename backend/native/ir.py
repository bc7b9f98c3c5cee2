"""A small writer of LLVM IR: values by name, mutable variables, loops."""

from collections.abc import Iterator
from contextlib import contextmanager


class Writer:
    """Collects the lines of one function.

    Variables are stack slots, which the optimiser turns into registers: so a loop needs no phi nodes here. Every slot
    is made in the function's entry block, as that optimisation asks for.
    """

    def __init__(self) -> None:
        self._slots: list[str] = []
        self._lines: list[str] = []
        self._count = 0

    def emit(self, line: str) -> None:
        """Add an instruction that gives no value, or a label."""
        self._lines.append(line)

    def value(self, expression: str) -> str:
        """Add an instruction; gives the name of its value."""
        name = self._name("%v")
        self._lines.append(f"{name} = {expression}")
        return name

    def returns(self, value: str) -> None:
        """Leave the function with a value, "void" for none. What follows is never reached."""
        self.emit(f"ret {value}")
        self.emit(f"{self._name('l')}:")

    def slot(self, type: str, count: int = 1) -> str:
        """Stack memory for `count` values of a type, aligned for vectors; gives its address."""
        name = self._name("%s")
        self._slots.append(f"{name} = alloca {type}, i64 {count}, align 64")
        return name

    def load(self, type: str, address: str, align: int = 8) -> str:
        """The value at an address that is a multiple of `align` bytes."""
        return self.value(f"load {type}, ptr {address}, align {align}")

    def store(self, type: str, value: str, address: str, align: int = 8) -> None:
        """Put a value at an address that is a multiple of `align` bytes."""
        self.emit(f"store {type} {value}, ptr {address}, align {align}")

    def at(self, type: str, address: str, index: str | int) -> str:
        """The address of element `index` of an array of a type."""
        return self.value(f"getelementptr {type}, ptr {address}, i64 {index}")

    def i64(self, operation: str, left: str | int, right: str | int) -> str:
        """Arithmetic on 64-bit integers: add, sub, mul, sdiv, lshr ..."""
        return self.value(f"{operation} i64 {left}, {right}")

    def least(self, left: str | int, right: str | int) -> str:
        """The smaller of two 64-bit integers."""
        return self.value(f"call i64 @llvm.smin.i64(i64 {left}, i64 {right})")

    @contextmanager
    def loop(self, start: str | int, stop: str | int, step: str | int) -> Iterator[str]:
        """The block runs for start, start + step ... while less than stop; gives the counter."""
        counter, (head, body, end) = self.slot("i64"), (self._name("l") for _ in range(3))
        self.store("i64", str(start), counter)
        self._go(head)
        now = self.load("i64", counter)
        more = self.value(f"icmp slt i64 {now}, {stop}")
        self.emit(f"br i1 {more}, label %{body}, label %{end}")
        self.emit(f"{body}:")
        yield now
        self.store("i64", self.i64("add", now, step), counter)
        self.emit(f"br label %{head}")
        self.emit(f"{end}:")

    @contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """The block runs only where the i1 value `condition` is true."""
        body, end = self._name("l"), self._name("l")
        self.emit(f"br i1 {condition}, label %{body}, label %{end}")
        self.emit(f"{body}:")
        yield
        self._go(end)

    def function(self, head: str, attributes: str = "") -> str:
        """The text of the function; head: its type, name and parameters."""
        lines = [f"define {head} {attributes} {{", "entry:", *self._slots, *self._lines, "unreachable", "}"]
        return "\n".join(lines) + "\n"

    def _go(self, label: str) -> None:
        self.emit(f"br label %{label}")
        self.emit(f"{label}:")

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"
