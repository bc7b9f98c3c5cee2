"""The files of one GGUF checkpoint: a single one, or parts named NAME-00001-of-00003.gguf."""

import re
from pathlib import Path

from backend.models.errors import CheckpointError

_PART = re.compile(r"(?P<stem>.*)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf", re.DOTALL)
MOST_NAMED = 8
"""Absent parts that a message names."""


def parts(path: Path) -> list[Path]:
    """All files of the checkpoint that any part of it leads to. Raises `CheckpointError` naming absent ones."""
    match = _PART.fullmatch(path.name)
    if match is None:
        return [path]
    count = int(match["count"])
    if not 1 <= int(match["number"]) <= count:
        raise CheckpointError(f"{path}: a split GGUF file's parts are numbered from 00001 to {match['count']}")
    names = [_part_name(match, number) for number in range(1, count + 1)]
    absent = [name for name in names if not (path.parent / name).is_file()]
    if absent:
        more = f" and {len(absent) - MOST_NAMED} more" if len(absent) > MOST_NAMED else ""
        named = ", ".join(absent[:MOST_NAMED]) + more
        raise CheckpointError(f"{path.parent} lacks parts of a split GGUF file: {named}; download them too")
    return [path.parent / name for name in names]


def first_part(path: Path) -> Path:
    """The file that holds all key-values of the checkpoint that `path` belongs to."""
    match = _PART.fullmatch(path.name)
    return path if match is None else path.parent / _part_name(match, 1)


def _part_name(match: re.Match[str], number: int) -> str:
    return f"{match['stem']}-{number:05d}-of-{match['count']}.gguf"
