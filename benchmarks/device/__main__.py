"""One part of the figures of a device: `python -m benchmarks.device PART --out FILE [--rehearse]`."""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from backend import device
from benchmarks.device import decoding, kernels
from benchmarks.device.measuring import describe

PARTS: dict[str, Callable[[bool], list[dict[str, Any]]]] = {
    "kernels": kernels.measure,
    "decode-1b": partial(decoding.decode, "1b"),
    "decode-8b": partial(decoding.decode, "8b"),
    "constrained": decoding.constrained,
    "graphs-off": partial(decoding.graphs, False),
    "graphs-on": partial(decoding.graphs, True),
}


def main(argv: list[str] | None = None) -> None:
    """Run the part that the arguments name."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.device", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--out", type=Path, required=True, help="the JSON that is written")
    parser.add_argument("--rehearse", action="store_true", help="tiny shapes: only to see that it runs")
    given = parser.parse_args(argv)
    device.set_up()
    found = describe() | {"rehearsal": given.rehearse, "figures": PARTS[given.part](given.rehearse)}
    given.out.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
