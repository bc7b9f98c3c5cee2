"""The bundled model, and an adapter of it: what the recipes in training/tiny made, each with its card."""

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "checkpoint"
ADAPTER = Path(__file__).parent / "adapter"
