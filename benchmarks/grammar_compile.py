"""Schemas to grammars: each side in turn, one schema after the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.grammar_sides import SIDES, Outcome, Worker
from tests.grammar_suite.devset import Case

LIMIT = 20.0
"""Seconds after which a compilation is given up."""


@dataclass(frozen=True)
class Compilations:
    """outcomes: for each side, one per case."""

    cases: Sequence[Case]
    outcomes: dict[str, list[Outcome]]

    def seconds(self, side: str) -> list[float]:
        """Of what the side accepted; LIMIT where it did not end in time."""
        return [LIMIT if o.seconds is None else o.seconds for o in self.outcomes[side] if not o.refused]

    def ratios(self, side: str) -> list[float]:
        """How many times as long as ours it took, for each schema that both accept."""
        pairs = zip(self.outcomes[side], self.outcomes["jaxchat"], strict=True)
        both = [(a, b) for a, b in pairs if not a.refused and not b.refused]
        return [(LIMIT if a.seconds is None else a.seconds) / (b.seconds or LIMIT) for a, b in both]

    def table(self) -> Table:
        """As text."""
        table = Table(title=f"{len(self.cases)} schemas, compiled in turn; ms")
        for heading in (
            *("", "accepted", "p50", "p90", "p99", "most", "too late", "times ours, median", "ours faster", "both"),
            *("conforming rejected", "violating accepted"),
        ):
            table.add_column(heading, justify="right")
        for side in self.outcomes:
            table.add_row(side, *self._cells(side))
        return table

    def record(self) -> dict[str, list[dict]]:
        """For a file."""
        return {side: [vars(outcome) for outcome in outcomes] for side, outcomes in self.outcomes.items()}

    def _cells(self, side: str) -> list[str]:
        done = [(case, o) for case, o in zip(self.cases, self.outcomes[side], strict=True) if not o.refused]
        judged = [(case, o) for case, o in done if o.seconds is not None]
        ratios = self.ratios(side)
        return [
            str(len(done)),
            *(f"{1000 * x:.1f}" for x in np.quantile(self.seconds(side), [0.5, 0.9, 0.99, 1])),
            str(len(done) - len(judged)),
            f"{median(ratios):.2f}",
            f"{sum(ratio > 1 for ratio in ratios) / len(ratios):.0%}",
            str(len(ratios)),
            str(sum(len(case.conforming) - o.good for case, o in judged)),
            str(sum(o.bad for _, o in judged)),
        ]


def run(cases: Sequence[Case], vocabulary_name: str, sides: Sequence[str] = SIDES) -> Compilations:
    """Compile each case on each side, the sides in another order each time."""
    workers = {name: Worker(name, vocabulary_name, LIMIT) for name in sides}
    outcomes: dict[str, list[Outcome]] = {name: [] for name in sides}
    for number, case in enumerate(track(cases, "compiling", console=Console(stderr=True), transient=True)):
        turn = number % len(sides)
        for name in [*sides[turn:], *sides[:turn]]:
            outcomes[name].append(workers[name].compile(case.text, case.conforming, case.violating))
    for worker in workers.values():
        worker.close()
    return Compilations(cases, outcomes)
