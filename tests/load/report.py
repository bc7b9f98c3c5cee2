"""The score of a run, and how it is told."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.load.server import Level

MEBIBYTE = 1 << 20
MOST_FAILURES = 20
"""Kept word for word; the others are counted."""


@dataclass
class Report:
    """exact: answers must be equal to the bit; otherwise rounding may tip a draw in one of 10,000 tokens.

    outcomes: by way of asking and what came of it. compared, tipped: tokens of answers compared, and answers that went
    another way. unseeded: bodies with the seeds that their answers named. resident: bytes, a sample per second.
    first_tokens, latencies: seconds, and those of the time before it was attacked. attacks: by name and status of the
    answer. before, after: when nothing ran.
    """

    exact: bool
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    more_failures: int = 0
    compared: int = 0
    tipped: int = 0
    tokens: int = 0
    unseeded: list[tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=list)
    first_tokens: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    quiet_first_tokens: list[float] = field(default_factory=list)
    quiet_latencies: list[float] = field(default_factory=list)
    attacks: Counter[tuple[str, int]] = field(default_factory=Counter)
    resident: list[int] = field(default_factory=list)
    seconds: float = 0.0
    before: Level | None = None
    after: Level | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def count(self, way: str, outcome: str) -> None:
        self.outcomes[way, outcome] += 1

    def fail(self, message: str) -> None:
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(message)
        else:
            self.more_failures += 1

    def judge(self, right: object, message: str) -> str:
        """The outcome; a wrong one is a failure where answers are exact, else it is counted as tipped."""
        if right:
            return "right"
        if self.exact:
            self.fail(message)
            return "wrong"
        self.tipped += 1
        return "tipped"

    def compare(self, got: dict[str, Any], expected: dict[str, Any], body: dict[str, Any]) -> str:
        """The outcome for an answer that is known. How much of a prompt was cached is no part of the answer."""
        self.compared += expected["usage"]["completion_tokens"]
        got, expected = (_comparable(answer, self.exact) for answer in (got, expected))
        return self.judge(got == expected, f"{got} instead of {expected} for {body}")

    def end_quiet_part(self) -> None:
        """From now on it is attacked."""
        self.quiet_first_tokens, self.first_tokens = self.first_tokens, []
        self.quiet_latencies, self.latencies = self.latencies, []

    def growth(self) -> tuple[float, float]:
        """Bytes resident in the second quarter of the run and in the last, medians."""
        quarter = max(1, len(self.resident) // 4)
        return float(np.median(self.resident[quarter : 2 * quarter])), float(np.median(self.resident[-quarter:]))

    def show(self, console: Console) -> None:
        """All of it, for people."""
        table = Table("asked", "came of it", "requests", title=f"{self.seconds:.0f} s, {self.tokens:,} tokens")
        for (way, outcome), number in sorted(self.outcomes.items()):
            table.add_row(way.replace("_", " "), outcome, f"{number:,}")
        console.print(table)
        begun, end = (number / MEBIBYTE for number in self.growth())
        console.print(f"tokens: {self.tokens / self.seconds:,.0f}/s; compared {self.compared:,}, tipped {self.tipped}")
        console.print(f"first chunk {_quantiles(self.first_tokens)}; whole answers {_quantiles(self.latencies)}")
        quiet = self.quiet_first_tokens, self.quiet_latencies
        console.print("before attacks: first chunk {}; whole answers {}".format(*map(_quantiles, quiet)))
        console.print(f"{sum(self.attacks.values()):,} answers to attacks", dict(sorted(self.attacks.items())))
        console.print(f"memory: {begun:.1f} MiB in the second quarter, {end:.1f} MiB in the last")
        console.print(f"idle before {self.before}, after {self.after}")
        console.print({name: value for name, value in self.metrics.items() if name.startswith("jaxchat_")})
        console.print(f"failures: {len(self.failures) + self.more_failures}", *self.failures[:5], sep="\n- ")


def late(seconds: list[float]) -> float:
    """What 99 of 100 take at most."""
    return float(np.quantile(seconds, 0.99))


def _comparable(answer: dict[str, Any], exact: bool) -> dict[str, Any]:
    """What two runs must agree in."""
    names = ("text", "finish_reason", "seed", *(["logprobs"] if exact else []))
    usage = {name: answer["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    return {"choices": [{name: choice[name] for name in names} for choice in answer["choices"]], "usage": usage}


def _quantiles(seconds: list[float]) -> str:
    if not seconds:
        return "none"
    return f"p50 {np.quantile(seconds, 0.5):.2f} s, p99 {late(seconds):.2f} s"
