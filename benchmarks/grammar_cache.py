"""A schema that was compiled before, through the server's own compiler: from memory, from disk, or in a process."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from backend.grammar import Compiler, Constraint, GrammarError
from tests.grammar_suite.devset import Case


@dataclass(frozen=True)
class Waits:
    """Seconds until the tables are there, one entry per accepted schema."""

    compiled: list[float]
    memory: list[float]
    disk: list[float]

    def table(self) -> Table:
        """As text."""
        shown = Table(title=f"{len(self.compiled)} schemas through the server's compiler, ms")
        for heading in ("", "p50", "p90", "p99", "most"):
            shown.add_column(heading, justify="right")
        for name, values in vars(self).items():
            shown.add_row(name, *(f"{1000 * x:.2f}" for x in np.quantile(values, [0.5, 0.9, 0.99, 1])))
        return shown


def run(cases: Sequence[Case]) -> Waits:
    """Each schema in a process of the compiler, again from memory, and by another compiler from disk."""
    with tempfile.TemporaryDirectory() as name:
        first = Compiler(Path(name), processes=1)
        first.warm()
        waits = [(case, _wait(first, case)) for case in cases]
        accepted = [(case, seconds) for case, seconds in waits if seconds is not None]
        memory = [_wait(first, case) or 0.0 for case, _ in accepted]
        first.close()
        second = Compiler(Path(name), processes=1)
        second.warm()
        disk = [_wait(second, case) or 0.0 for case, _ in accepted]
        second.close()
    return Waits([seconds for _, seconds in accepted], memory, disk)


def _wait(compiler: Compiler, case: Case) -> float | None:
    """Seconds; None where the schema is refused."""
    constraint = Constraint("json_schema", case.text, open_objects=True)
    began = time.perf_counter()
    try:
        compiler.compile(constraint).tables.result()
    except GrammarError:
        return None
    return time.perf_counter() - began
