"""A reader of XLA's listing of what the host does to run a GPU's program (`*thunk_sequence_after_thunk_passes.txt`).

A command buffer (a CUDA graph) is one launch, whatever it holds. Of a loop or a conditional outside of one the host
reads the predicate: it waits until the device is done with all before it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_THUNK = re.compile(r"^(?P<indent>\s*)\d+: k(?P<kind>\w+)\s+\[.*?\]\s?(?P<text>.*)$")
_PART = re.compile(r"^(?P<indent>\s*)(?P<name>condition|body|branch_\d+|true_branch|false_branch):\s*$")
_STRUCTURE = frozenset(("CommandBuffer", "While", "Conditional", "Sequential", "Part"))


@dataclass
class Node:
    """A thunk, or a part of one ("condition", "body", "branch_0", "true_branch", ...): then its kind is "Part"."""

    kind: str
    text: str = ""
    indent: int = -1
    children: list["Node"] = field(default_factory=list)

    def part(self, name: str) -> "Node":
        """A part of a loop or a conditional."""
        return next(child for child in self.children if (child.kind, child.text) == ("Part", name))

    @property
    def thunks(self) -> list["Node"]:
        """What runs in order."""
        return [child for child in self.children if child.kind != "Part"]

    @property
    def parts(self) -> list["Node"]:
        """What may run: the branches of a conditional, the condition and the body of a loop."""
        return [child for child in self.children if child.kind == "Part"]

    def all(self, kind: str, command_buffers: bool = True) -> Iterator["Node"]:
        """Every thunk of a kind below this one; command_buffers: also those that run without the host."""
        for child in self.children:
            if child.kind == kind:
                yield child
            if command_buffers or child.kind != "CommandBuffer":
                yield from child.all(kind, command_buffers)


def read(text: str) -> Node:
    """The tree of a listing. The condition of a loop is written without indentation, behind the loop's own line."""
    root = Node("Part", "program")
    stack = [root]
    for line in text.splitlines():
        thunk, part = _THUNK.match(line), _PART.match(line)
        if part and part["name"] == "condition":
            while stack[-1].kind != "While":
                stack.pop()
            node = Node("Part", "condition", stack[-1].indent + 2)
        elif part:
            node = Node("Part", part["name"], len(part["indent"]))
        elif thunk:
            node = Node(thunk["kind"], thunk["text"].strip(), len(thunk["indent"]))
        else:
            continue
        while stack[-1].indent >= node.indent:
            stack.pop()
        stack[-1].children.append(node)
        stack.append(node)
    return root


def step(program: Node) -> Node:
    """The body of a decode program's loop over steps; the whole program where all of it is one command buffer."""
    loops = [child for child in program.thunks if child.kind == "While"]
    return loops[0].part("body") if loops else program


def host_loops(part: Node) -> int:
    """Loops anywhere in a part that the host drives, iteration by iteration."""
    return sum(1 for _ in part.all("While", command_buffers=False))


def host_branches(part: Node) -> int:
    """Conditionals anywhere in a part whose predicate the host waits for."""
    return sum(1 for _ in part.all("Conditional", command_buffers=False))


def launches(part: Node) -> int:
    """What the host launches in a part, loops and conditionals counting as one."""
    return len(part.thunks)


def kernels(part: Node) -> int:
    """Kernels and copies that a part runs at least: of a conditional its shortest branch, of a loop nothing."""
    total = 0
    for node in part.thunks:
        if node.kind == "Conditional":
            total += min(kernels(branch) for branch in node.parts)
        elif node.kind in ("CommandBuffer", "Sequential", "DynamicSliceFusion"):
            total += max(kernels(node), int(node.kind == "DynamicSliceFusion"))
        elif node.kind not in _STRUCTURE:
            total += 1
    return total
