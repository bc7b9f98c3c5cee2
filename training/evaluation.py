"""What an evaluation found: shown as a table, and kept beside the weights."""

import json
from pathlib import Path

from rich.table import Table

Scores = dict[str, dict[str, float]]
"""Task -> way to ask -> share of answers that are right."""


def means(scores: Scores) -> dict[str, float]:
    """Way to ask -> mean over all tasks."""
    modes = next(iter(scores.values()))
    return {mode: sum(row[mode] for row in scores.values()) / len(scores) for mode in modes}


def table(scores: Scores, what: str, places: int = 0) -> Table:
    """Scores for a terminal, with a row of means. what: the rows are. places: of percentages, behind the point."""
    shown = Table(what, *means(scores))
    for name, row in [*scores.items(), ("mean", means(scores))]:
        shown.add_row(name, *(f"{share:.{places}%}" for share in row.values()))
    return shown


def markdown(scores: Scores, what: str, places: int = 0) -> str:
    """The same for a card."""
    modes = means(scores)
    rows = [[name, *(f"{share:.{places}%}" for share in row.values())] for name, row in scores.items()]
    rows.append(["**mean**", *(f"{share:.{places}%}" for share in modes.values())])
    head = [f"| {what} | {' | '.join(modes)} |", "|---|" + "---:|" * len(modes)]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def write(scores: Scores, samples: int, seed: int | str, folder: Path) -> None:
    """Keeps scores in `folder` as evaluation.json. samples: of every task, each way. seed: of what was asked."""
    report = {"samples": samples, "seed": seed, "scores": scores}
    (folder / "evaluation.json").write_text(json.dumps(report, indent=2) + "\n")
