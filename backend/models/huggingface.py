"""A checkpoint folder as transformers writes it: config.json, and weights in safetensors."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from backend.models.config import DecoderConfig
from backend.models.errors import CheckpointError, reading
from backend.models.families import Family, family_of, parse, read_config
from backend.models.media.settings import read_processors
from backend.models.pooling_reader import read_pooling, sequence_length
from backend.models.quantized import METHODS, quantized_tensors
from backend.models.tensors import FLOATS, Tensors, read_json

CONFIG = "config.json"
BARE = ("embed_tokens.", "layers.", "norm.")
"""How names of tensors begin in a checkpoint that is the model without its head."""


class HuggingFaceCheckpoint:
    """A `Checkpoint` (checkpoint.py) in `folder`."""

    described_by = CONFIG
    readable = FLOATS | METHODS.keys()

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def config(self) -> DecoderConfig:
        """The decoder that config.json describes; `CheckpointError` names each key that is not honoured."""
        with reading(CONFIG):
            processors = read_processors(self._folder) if self._family.media else {}
            decoder = read_config(self._raw, processors)
            config = parse(self._raw)
        with reading(str(self._folder)):
            pooling = read_pooling(self._folder, self._raw, config)
            length = sequence_length(self._folder)
        if pooling is None:
            return decoder
        if decoder.media is not None:
            raise CheckpointError(f"{pooling.task} not served of {self._raw['model_type']}, which takes media too")
        return replace(decoder, pooling=pooling, context=min(decoder.context, length or decoder.context))

    @cached_property
    def tensors(self) -> Mapping[str, Any]:
        """The tensors of all files, by the names of the family's text decoder; what one weight is made of is one."""
        stored = Tensors(self._folder, self._named)
        quantization = self._raw.get("quantization_config")
        if not quantization:
            return stored
        with reading(CONFIG):
            return quantized_tensors(stored, quantization)

    def _named(self, stored: str) -> str | None:
        """The decoder's name of a tensor; a model that was saved without a head has names without "model."."""
        name = self._family.rename(stored)
        bare = name is not None and self.config.pooling is not None and name.startswith(BARE)
        return f"model.{name}" if bare else name

    @property
    def norm_offset(self) -> float:
        """The family's."""
        return self._family.norm_offset

    def stored_name(self, name: str) -> str:
        """`name`: what a family renames are whole prefixes."""
        return name

    @cached_property
    def _raw(self) -> dict[str, Any]:
        return read_json(self._folder / CONFIG)

    @property
    def _family(self) -> Family:
        with reading(CONFIG):
            return family_of(self._raw)
