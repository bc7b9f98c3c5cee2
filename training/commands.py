"""The command lines that recipes have."""

import argparse
from pathlib import Path


def training_options(module: str, description: str | None, minutes: float, out: Path) -> argparse.Namespace:
    """The options `minutes`, `seed` and `out`, the first and the last with these defaults."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--minutes", type=float, default=minutes, help=f"how long to train (default {minutes:g})")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of what is drawn (default 0)")
    where = "folder for the checkpoint (default the bundled one); goes on if unfinished"
    parser.add_argument("--out", type=Path, default=out, help=where)
    return parser.parse_args()


def checkpoint(module: str, description: str | None, help: str) -> Path:
    """The only argument, the folder of a checkpoint."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("folder", type=Path, help=help)
    folder: Path = parser.parse_args().folder
    return folder
