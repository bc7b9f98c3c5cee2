"""A reader of XLA's optimised programs: computations, their instructions, what calls what, and how large things are."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

_COMPUTATION = re.compile(r"^(?P<entry>ENTRY )?%?(?P<name>[\w.\-]+) \(.*\) -> .* \{\s*$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?(?P<name>[\w.\-]+) = (?P<shape>\(?.*?\)?) (?P<op>[\w\-]+)\((?P<rest>.*)$")
_SHAPE = re.compile(r"\b(pred|c64|c128|bf16|f8\w+|[suf]\d+)\[([\d,]*)\]")
_CALLED = re.compile(r"\b(body|condition|calls|to_apply|true_computation|false_computation)=%?([\w.\-]+)")
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_HOST_CALL = re.compile(r'custom_call_target="([^"]*(?:[cC]allback|Host|host)[^"]*)"')
HOST_OPS = frozenset(("infeed", "outfeed", "send", "recv"))
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all")
COPIES = ("copy", "copy-start", "transpose")


def shape_bytes(text: str) -> int:
    """Bytes of all arrays in a shape as XLA prints it: "(bf16[2,3]{1,0}, pred[])" -> 13."""
    return sum(_bits(kind) * prod(int(n) for n in size.split(",") if n) // 8 for kind, size in _SHAPE.findall(text))


def _copied_bytes(shape: str) -> int:
    """Of what a copy gives, the new array in memory; "copy-start" gives that and, behind it, what is copied."""
    return 0 if "S(1)" in shape else shape_bytes(shape.split(", ")[0])


def _bits(kind: str) -> int:
    if kind == "pred":
        return 8
    return int((re.match(r"\D+(\d+)", kind) or [0, 32])[1])


@dataclass(frozen=True)
class Instruction:
    """One line of a computation. rest: all behind its name, operands and attributes alike."""

    name: str
    shape: str
    op: str
    rest: str

    @property
    def op_name(self) -> str:
        """Which part of the traced program it comes from."""
        found = re.search(r'op_name="([^"]*)"', self.rest)
        return found[1] if found else ""

    @property
    def cycles(self) -> int:
        """Cycles that the TPU's compiler expects it to take; 0 where it says nothing."""
        return sum(map(int, _CYCLES.findall(self.rest)))

    @property
    def called(self) -> dict[str, list[str]]:
        """Computations that it calls, by how: "body", "condition", "calls", "to_apply", "branches"."""
        found: dict[str, list[str]] = {}
        for how, name in _CALLED.findall(self.rest):
            found.setdefault("branches" if how.endswith("_computation") else how, []).append(name)
        for names in _BRANCHES.findall(self.rest):
            found.setdefault("branches", []).extend(name.strip().lstrip("%") for name in names.split(","))
        return found


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _kind(instruction: Instruction) -> str:
    return instruction.op.removesuffix("-start")


@dataclass(frozen=True)
class Module:
    """An optimised program. computations: name -> instructions, in order. entry: the one that is called."""

    computations: dict[str, list[Instruction]]
    entry: str
    text: str

    def reachable(self, start: str | None = None, branches: bool = True) -> Iterator[Instruction]:
        """What may run from a computation on (the entry by default), through loops and, if wanted, branches.

        What fusions and reductions consist of is not part of it: it makes no arrays in memory.
        """
        seen: set[str] = set()
        waiting = [start or self.entry]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for instruction in self.computations[name]:
                yield instruction
                called = instruction.called
                waiting += called.get("body", []) + called.get("condition", [])
                waiting += called.get("branches", []) if branches else []
                waiting += called.get("to_apply", []) if instruction.op == "call" else []

    @cached_property
    def loops(self) -> list[Instruction]:
        """The loops of the entry computation itself: of a decode program, the one over its steps."""
        return [instruction for instruction in self.computations[self.entry] if instruction.op == "while"]

    def step(self) -> str:
        """The computation of one decoding step: the body of the largest loop of the entry."""
        bodies = [loop.called["body"][0] for loop in self.loops]
        return max(bodies, key=lambda body: sum(1 for _ in self.reachable(body)))

    def wide_floats(self) -> int:
        """How often a float of 64 bits occurs."""
        return len(re.findall(r"\bf64\[", self.text))

    def host_transfers(self) -> set[str]:
        """What would have the host take part: callbacks, infeeds and the like."""
        ops = {instruction.op.removesuffix("-start").removesuffix("-done") for instruction in self.reachable()}
        return set(_HOST_CALL.findall(self.text)) | (ops & HOST_OPS)

    def copies(self, least: int) -> list[Instruction]:
        """Copies and transposes of at least so many bytes from memory to memory, not to or from a TPU's fast one."""
        return [each for each in self.reachable() if each.op in COPIES and _copied_bytes(each.shape) >= least]

    def exchanges(self, start: str | None = None, within: str = "") -> list[Instruction]:
        """The exchanges between devices that may run from a computation on.

        within: only those that come from a part of the traced program whose name has this.
        """
        return [x for x in self.reachable(start) if _kind(x) in COLLECTIVES and within in x.op_name]

    def collectives(self, start: str | None = None, within: str = "") -> dict[str, int]:
        """How many of each kind they are."""
        return dict(Counter(map(_kind, self.exchanges(start, within))))

    def exchanging(self) -> set[frozenset[int]]:
        """The sets of devices, by their place in the mesh, that exchange anything."""
        found: set[frozenset[int]] = set()
        for shape, of, order in re.findall(r"replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", self.text):
            numbers = np.arange(prod(_numbers(of))).reshape(_numbers(of))
            rows = numbers.transpose(_numbers(order) if order else None).reshape(_numbers(shape))
            found |= {frozenset(row.tolist()) for row in rows}
        for listed in re.findall(r"(?:replica_groups|source_target_pairs)=\{(\{[\d,{}]+\})\}", self.text):
            found |= {frozenset(_numbers(row)) for row in re.findall(r"\{([\d,]+)\}", listed)}
        return found

    def cycles(self, computation: str, within: str = "") -> int:
        """Estimated cycles of what a computation runs itself, loops and branches apart.

        within: of the instructions only that come from a part of the traced program whose name has this.
        """
        return sum(each.cycles for each in self.computations[computation] if within in each.op_name)


def read(text: str) -> Module:
    """The module that XLA has printed (`Compiled.as_text()`)."""
    computations: dict[str, list[Instruction]] = {}
    entry, current = "", None
    for line in text.splitlines():
        head = _COMPUTATION.match(line)
        if head:
            current = computations.setdefault(head["name"], [])
            entry = head["name"] if head["entry"] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None and (found := _INSTRUCTION.match(line)):
            current.append(Instruction(**found.groupdict()))
    return Module(computations, entry, text)
