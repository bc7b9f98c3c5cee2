"""The bundled models, and an adapter of one: what the recipes in training/ made, each with its card."""

from pathlib import Path

CHECKPOINT = Path(__file__).parent / "checkpoint"
OMNI = Path(__file__).parent / "omni"
ADAPTER = Path(__file__).parent / "adapter"
