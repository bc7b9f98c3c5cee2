"""The interface of a family's modalities: what a medium is in a prompt, what the encoder is given of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from backend.media import FilmInfo, Medium, Modality


@dataclass(frozen=True)
class Run:
    """Positions of a prompt that embeddings fill: `length` times the id `token`, at least once.

    both_ways: each of the positions sees all of them. grid: rows and columns by which rotary embeddings with sections
    turn them, row by row; None where they are like text.
    """

    token: int
    length: int
    both_ways: bool = False
    grid: tuple[int, int] | None = None


Written = tuple[str | int | Run, ...]
"""What stands for a medium in a prompt: text, ids of control tokens, and runs, in order."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """What a model has made of a medium. key: the medium's. written: what stands for it in a prompt.

    embeddings: float32 [1 + S, n, D], of the positions of all its runs: those of the prompt, and what is added behind
    the first S layers.
    """

    key: str
    written: Written
    embeddings: np.ndarray


class Program(NamedTuple):
    """A shape in which an encoder is compiled. inputs: shape and dtype of each array that it takes.

    kind: what it does, one of the encoder's own. size: rows of embeddings that come out.
    """

    kind: str
    size: int
    inputs: tuple[tuple[tuple[int, ...], str], ...]


class EncoderCall(NamedTuple):
    """One call of a program: its inputs, padded, and how many rows of embeddings, the first ones, are meant."""

    program: Program
    inputs: tuple[np.ndarray, ...]
    rows: int


class MediaConfig(Protocol):
    """What one family takes beside text, and how; hashable plain numbers, one class per family.

    film_sound: whether the sound of a film is wanted beside its frames. placeholders: the id of the token that the
    family's chat template writes for one medium of each modality. both_ways: length of the longest run that sees both
    ways, 0 for none. features: S, layers of the decoder to which something is added, so that the encoder gives S more
    embeddings for each. programs: all shapes in which the encoder is called. working_bytes: of what the largest of them
    is given and computes, at most; an upper estimate for a decoder of D numbers, which tests compile.
    """

    @property
    def film_sound(self) -> bool: ...

    @property
    def placeholders(self) -> Mapping[Modality, int]: ...

    @property
    def both_ways(self) -> int: ...

    @property
    def features(self) -> int: ...

    @property
    def programs(self) -> Sequence[Program]: ...

    def working_bytes(self, embed: int) -> int: ...

    def choose_frames(self, film: FilmInfo) -> np.ndarray:
        """The frames of a film that the model is shown, int64, ascending."""
        ...

    def written(self, medium: Medium) -> Written:
        """What stands for a medium in a prompt. Raises ValueError for one that cannot be taken, such as too small."""
        ...

    def calls(self, medium: Medium) -> Iterator[EncoderCall]:
        """The calls whose embeddings, one after the other, fill the runs of a medium that can be `written`."""
        ...


def padded(program: Program, inputs: Sequence[np.ndarray], fill: Sequence[float]) -> EncoderCall:
    """A call with inputs that have at most `program.size` rows, the rows that lack being filled."""
    arrays = []
    for (shape, dtype), given, value in zip(program.inputs, inputs, fill, strict=True):
        array = np.full(shape, value, dtype)
        array[: len(given)] = given
        arrays.append(array)
    return EncoderCall(program, tuple(arrays), len(inputs[0]))
