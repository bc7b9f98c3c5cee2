"""The bundled model: the checkpoint that the recipe in training/tiny made, with its card."""

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "checkpoint"
