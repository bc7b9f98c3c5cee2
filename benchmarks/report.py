"""What a run found: one record for `--json`, and the same as a table for the eye."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Rates:
    """New tokens per second of one side, one entry per round. decode: all rows decoding; whole: with the prompts."""

    decode: list[float]
    whole: list[float]


@dataclass(frozen=True)
class Comparison:
    """One batch size.

    settings: how transformers generated. same_tokens, same_rows: shares 0..1 of the positions and of the rows on which
    the sides agree, the lowest of any round. bandwidth: each side's share 0..1 of the memory's limit, weights only.
    """

    rows: int
    jaxchat: Rates
    transformers: Rates
    settings: str
    same_tokens: float
    same_rows: float
    bandwidth: dict[str, float]

    @property
    def ratios(self) -> list[float]:
        """Per round, decoding: how many times as fast as transformers."""
        return [ours / theirs for ours, theirs in zip(self.jaxchat.decode, self.transformers.decode, strict=True)]

    @property
    def whole_ratio(self) -> float:
        """The same with the prompts' processing, median of the rounds."""
        return median(a / b for a, b in zip(self.jaxchat.whole, self.transformers.whole, strict=True))


@dataclass(frozen=True)
class Report:
    """A whole run. bandwidth_limit: bytes per second. step_bytes: weights that one decoding step reads."""

    date: str
    command: str
    machine: dict[str, str | int | float]
    model: str
    parameters: int
    step_bytes: int
    prompt: int
    new: int
    rounds: int
    bandwidth_limit: float
    results: list[Comparison]

    def write(self, file: Path) -> None:
        """As JSON, with each round's figures and the ratios made from them."""
        record = asdict(self)
        for entry, result in zip(record["results"], self.results, strict=True):
            entry["ratios"], entry["whole_ratio"] = result.ratios, result.whole_ratio
        file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def show(self, console: Console) -> None:
        """As text."""
        console.print(f"{self.date}  {self.command}")
        console.print(", ".join(f"{name} {value}" for name, value in self.machine.items()))
        console.print(f"{self.model}: {self.parameters / 1e6:.1f} M parameters, float32")
        console.print(f"{self.prompt} prompt tokens, {self.new} new tokens, greedy, {self.rounds} rounds in turn")
        console.print(self._table())
        for result in self.results:
            console.print(f"rows {result.rows}: transformers with {result.settings}")
        self._show_bandwidth(console)

    def _table(self) -> Table:
        rows = [_cells(result) for result in self.results]
        table = Table(title="New tokens per second of all rows together, medians of the rounds")
        for heading in rows[0]:
            table.add_column(heading, justify="right")
        for cells in rows:
            table.add_row(*cells.values())
        return table

    def _show_bandwidth(self, console: Console) -> None:
        console.print(
            f"memory: {self.bandwidth_limit / 1e9:.1f} GB/s read at best in this run; "
            f"a step reads {self.step_bytes / 1e6:.0f} MB of weights"
        )
        for result in self.results:
            if result.rows == 1:
                shares = ", ".join(f"{name} {share:.0%}" for name, share in result.bandwidth.items())
                console.print(f"share of that at one row: {shares}")


def _cells(result: Comparison) -> dict[str, str]:
    """Heading -> text."""
    ours, theirs, ratios = median(result.jaxchat.decode), median(result.transformers.decode), result.ratios
    return {
        "rows": str(result.rows),
        "jaxchat": f"{ours:.1f}",
        "transformers": f"{theirs:.1f}",
        "ratio": f"{median(ratios):.2f}",
        "lowest": f"{min(ratios):.2f}",
        "highest": f"{max(ratios):.2f}",
        "ms a step": f"{1000 * result.rows / ours:.1f} / {1000 * result.rows / theirs:.1f}",
        "with prompts": f"{result.whole_ratio:.2f}",
        "same tokens": f"{result.same_tokens:.1%}",
    }
