"""What the parts have written, gathered: `python -m benchmarks.device.collect FOLDER FILE`.

FOLDER has of each part that has ended PART.status, its exit status (124: it ran past its limit), and PART.json, unless
it failed. Imports nothing large, since it runs after every part.
"""

import argparse
import json
from pathlib import Path
from typing import Any


def collect(folder: Path) -> dict[str, Any]:
    """Of each part, in the order in which they ended, its exit status and its figures."""
    parts: dict[str, Any] = {}
    for status in sorted(folder.glob("*.status"), key=lambda path: path.stat().st_mtime_ns):
        figures = status.with_suffix(".json")
        parts[status.stem] = {"exit status": int(status.read_text(encoding="utf-8"))}
        if figures.is_file():
            parts[status.stem] |= json.loads(figures.read_text(encoding="utf-8"))
    return parts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.device.collect", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path, help="the JSON that is written")
    options = parser.parse_args()
    options.file.write_text(json.dumps(collect(options.folder), indent=1), encoding="utf-8")
