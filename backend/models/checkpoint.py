"""A model as it is stored, whatever the format: the decoder it describes, and its tensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from backend.models.config import DecoderConfig
from backend.models.gguf.checkpoint import GGUFCheckpoint
from backend.models.huggingface import HuggingFaceCheckpoint


class CheckpointTensor(Protocol):
    """A stored tensor, read by slices."""

    def get_shape(self) -> list[int]:
        """Its size along each axis."""

    def get_dtype(self) -> str:
        """Name of the type of its elements as the format has it."""

    def __getitem__(self, index: Any) -> np.ndarray:
        """The elements of a slice per axis, in floating point, and the caller's own; no others are read."""


class Checkpoint(Protocol):
    """A stored model. Every attribute is read when it is first asked for, and raises `CheckpointError` then."""

    @property
    def config(self) -> DecoderConfig:
        """The decoder that the checkpoint is of."""

    @property
    def tensors(self) -> Mapping[str, CheckpointTensor]:
        """All tensors by the names that transformers' Llama line has for them; unknown ones by their own."""

    @property
    def norm_offset(self) -> float:
        """What the stored scales of norms lack."""

    @property
    def described_by(self) -> str:
        """What `config` is made of, for messages."""

    @property
    def readable(self) -> frozenset[str]:
        """The types of elements that can be read, by `CheckpointTensor.get_dtype`."""

    def stored_name(self, name: str) -> str:
        """What the checkpoint calls the tensor that `tensors` has under `name`, for messages."""


def open_checkpoint(path: Path) -> Checkpoint:
    """The checkpoint in a folder as transformers writes it, or in a GGUF file (of a split one, any part)."""
    return HuggingFaceCheckpoint(path) if path.is_dir() else GGUFCheckpoint(path)
