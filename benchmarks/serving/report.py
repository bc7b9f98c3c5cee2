"""What a run found, as Markdown tables and a plot."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

Records = Sequence[Mapping[str, Any]]
OURS = "jaxchat"
ATTACHED = "{0:.2f} ({1:.2f} to {2:.2f})"


def markdown(found: Mapping[str, Records]) -> str:
    """A table for each part that ran."""
    tables = {
        "load": ("Servers under load", load_table),
        "decode": ("Decoding without servers", decode_table),
        "http": ("HTTP alone", http_table),
        "prefix": ("A shared prefix", prefix_table),
        "scaling": ("Step time over pool and context", scaling_table),
        "host": ("Host time per decode block", host_table),
    }
    return "\n".join(f"### {title}\n\n{make(found[part])}" for part, (title, make) in tables.items() if part in found)


def load_table(records: Records) -> str:
    """Servers: throughput, ours as a multiple, and times."""
    rows = []
    for (model, streams), group in _grouped(records, "model", "streams"):
        ours = next((r["rates"] for r in group if r["side"] == OURS), None)
        rows += [[model, streams, r["side"], *_load_cells(r, ours)] for r in group]
    headings = (
        "model",
        "streams",
        "server",
        "tokens/s",
        "jaxchat is times as fast",
        "first token, ms",
        "per token, ms",
    )
    return table((*headings, "between texts, ms", "tokens drawn", "same answers", "memory, MB"), rows)


def _load_cells(record: Mapping[str, Any], ours: Sequence[float] | None) -> list[str]:
    return [
        f"{median(record['rates']):.1f}",
        _multiple(ours, record["rates"]) if record["side"] != OURS else "",
        _percentiles(record["first"]),
        f"{1000 * record['pace']['p50']:.1f}",
        _percentiles(record["gaps"]),
        f"{record['tokens']} of {record['asked']}",
        f"{record['same']:.0%}",
        f"{record['memory'] / 1e6:.0f}",
    ]


def decode_table(records: Records) -> str:
    """Bare decoding: throughput, ours as a multiple."""
    rows = []
    for (model, batch), group in _grouped(records, "model", "rows"):
        ours = next(r for r in group if r["side"] == OURS)
        for r in group:
            multiples = ["", ""]
            if r is not ours:
                multiples = [_multiple(ours["decode"], r["decode"]), f"{median(_over(ours['whole'], r['whole'])):.2f}"]
            rows.append([model, batch, r["side"], f"{median(r['decode']):.1f}", *multiples, f"{r['same']:.1%}"])
    headings = ("model", "rows", "side", "tokens/s", "jaxchat is times as fast", "with prompts", "same tokens")
    return table(headings, rows)


def http_table(records: Records) -> str:
    """HTTP: milliseconds and requests per second."""
    rows = [
        [
            "streamed" if r["streamed"] else "whole",
            r["side"],
            r["bytes"],
            f"{1000 * median(r['p50']):.2f}",
            f"{1000 * r['added']:.2f}",
            f"{median(r['rate']):.0f}",
        ]
        for r in records
    ]
    return table(("answer", "application", "bytes", "p50, ms", "added, ms", "requests/s, 8 streams"), rows)


def prefix_table(records: Records) -> str:
    """Prefix: seconds to the first token."""
    rows = [
        [
            r["side"],
            *(f"{1000 * median(r[k]):.0f}" for k in ("first", "second")),
            f"{r['ratio']:.2f}",
            r["cached"] or "",
        ]
        for r in records
    ]
    headings = ("server", "first request's first token, ms", "second's, ms", "second / first", "of it cached, tokens")
    return table(headings, rows)


def scaling_table(records: Records) -> str:
    """Scaling: milliseconds per step, and relative to the smallest."""
    least = records[0]["step"]
    rows = [
        [
            f"{r['context']:,}",
            f"{r['pool']:,}",
            r["rows"],
            f"{1000 * median(r['step']):.1f}",
            _multiple(r["step"], least),
        ]
        for r in records
    ]
    return table(("context", "positions in the pool", "rows", "ms a step", "times the first"), rows)


def host_table(records: Records) -> str:
    """Host time of a block."""
    rows = [
        [r["rows"], r["steps"], *(f"{1000 * median(r[k]):.2f}" for k in ("block", "host")), f"{median(r['share']):.1%}"]
        for r in records
    ]
    return table(("rows", "steps", "block, ms", "of it host, ms", "share"), rows)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def plot(records: Records, file: Path) -> None:
    """Throughput over concurrency of every side, a panel for each model."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    models = list(_grouped(records, "model"))
    figure, panels = pyplot.subplots(
        1, len(models), figsize=(5 * len(models) + 2, 4), squeeze=False, layout="constrained"
    )
    for axes, ((model,), group) in zip(panels[0], models, strict=True):
        for (side,), levels in _grouped(sorted(group, key=lambda r: r["side"] != OURS), "side"):
            streams = [level["streams"] for level in levels]
            width = 2.5 if side == OURS else 1.2
            axes.plot(streams, [median(r["rates"]) for r in levels], marker="o", label=side, linewidth=width)
        axes.set(title=model, xlabel="concurrent streams", ylabel="output tokens/s", xscale="log", yscale="log")
        axes.set_xticks(streams, [str(n) for n in streams])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    figure.legend(*panels[0][0].get_legend_handles_labels(), fontsize="small", loc="outside right upper")
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def _grouped(records: Records, *names: str) -> list[tuple[tuple[Any, ...], list[Mapping[str, Any]]]]:
    """Neighbours with equal values of these fields; those of the single field "side" wherever they stand."""

    def key(record: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(record[name] for name in names)

    if names == ("side",):
        sides = dict.fromkeys(key(r) for r in records)
        return [(side, [r for r in records if key(r) == side]) for side in sides]
    return [(value, list(group)) for value, group in groupby(records, key)]


def _over(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def _multiple(ours: Sequence[float] | None, theirs: Sequence[float]) -> str:
    """Median and range of the rounds' ratios."""
    if ours is None:
        return ""
    found = _over(ours, theirs)
    return ATTACHED.format(median(found), min(found), max(found))


def _percentiles(seconds: Mapping[str, float]) -> str:
    return f"{1000 * seconds['p50']:.1f} / {1000 * seconds['p99']:.1f}"
