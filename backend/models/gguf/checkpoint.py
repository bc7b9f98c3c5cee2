"""A checkpoint in one GGUF file, or in the parts of one."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from backend.models.config import DecoderConfig
from backend.models.errors import CheckpointError, naming
from backend.models.families import read_config
from backend.models.gguf.architectures import layout, read_fields, read_pooling, weights
from backend.models.gguf.files import parts
from backend.models.gguf.header import Header, read_header
from backend.models.gguf.keys import Keys
from backend.models.gguf.names import Layout, our_tensors, stored_name
from backend.models.gguf.tensors import GGUFTensor, read_tensors, readable


class GGUFCheckpoint:
    """A `Checkpoint` (checkpoint.py) in a file, or in all parts of the split one that `path` is a part of."""

    norm_offset = 0.0

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def config(self) -> DecoderConfig:
        """The decoder of the file's key-values; `CheckpointError` names the key that is absent or not honoured."""
        with naming(str(self._path)):
            return replace(read_config(self.fields), pooling=read_pooling(Keys(self._metadata)))

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The key-values as config.json of transformers would have them."""
        with naming(str(self._path)):
            return read_fields(self._metadata, self._stored)

    @cached_property
    def tensors(self) -> Mapping[str, GGUFTensor]:
        """The tensors of all parts; what is stored together is taken apart."""
        return our_tensors(weights(self._stored), self._layout)

    @property
    def described_by(self) -> str:
        """The header, by the file's name."""
        return f"the header of {self._path.name}"

    @property
    def readable(self) -> frozenset[str]:
        """The quantisations that the gguf package can dequantise."""
        return readable()

    def stored_name(self, name: str) -> str:
        """The file's name of the tensor that `tensors` has under `name`."""
        found = self.tensors.get(name)
        return stored_name(name, self._layout) if found is None else found.name

    @cached_property
    def _headers(self) -> dict[Path, Header]:
        headers = {part: read_header(part) for part in parts(self._path)}
        for number, (part, header) in enumerate(headers.items()):
            _check_part(part, header.metadata, number, len(headers))
        return headers

    @property
    def _metadata(self) -> dict[str, Any]:
        return next(iter(self._headers.values())).metadata

    @cached_property
    def _stored(self) -> dict[str, GGUFTensor]:
        tensors: dict[str, GGUFTensor] = {}
        for part, header in self._headers.items():
            found = read_tensors(part, header)
            if twice := sorted(found.keys() & tensors.keys()):
                raise CheckpointError(f"{part}: {', '.join(twice)} is in another part as well")
            tensors |= found
        return tensors

    @cached_property
    def _layout(self) -> Layout:
        return layout(self._metadata, self.fields)


def _check_part(part: Path, metadata: dict[str, Any], number: int, count: int) -> None:
    """A part is what its name says."""
    no, total = metadata.get("split.no", number), metadata.get("split.count", count)
    whole = type(no) is int and type(total) is int
    if not whole or (no, total or 1) != (number, count):
        raise CheckpointError(
            f"{part}: split.no {no} and split.count {total} do not fit its name; parts are named "
            "NAME-00001-of-00003.gguf, from 1 to their number"
        )
