"""The bundled model: the recipe that makes it (`train`, `export`, `evaluate`) and, in `checkpoint/`, what it made."""

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "checkpoint"
