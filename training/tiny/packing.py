"""Turns conversations into fixed-size training batches: several to a row, kept apart by segment numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from training.tiny.tokenizer import END, START, identity

PROMPT_WEIGHT = 0.1


class Batch(NamedTuple):
    """Rows of packed conversations, all arrays [B, T].

    tokens: int32 ids, the pad id behind the last conversation.
    segments: int32, 1 for a row's first conversation, 2 for its second; 0 for padding.
    positions: int32, from 0 in each conversation.
    weights: float32, how much the loss counts the prediction of this token from the ones before it.
    """

    tokens: NDArray[np.int32]
    segments: NDArray[np.int32]
    positions: NDArray[np.int32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class LossWeights:
    """Weighs the tokens of rendered conversations: 1 where the assistant speaks, `PROMPT_WEIGHT` elsewhere.

    Nothing is learnt from what the template gives: the head of an answer with its empty block of thoughts. Nor from
    the first token of an answer that stands in the past without such a block, for no generation prompt ends there.
    """

    head: list[int]
    empty_thoughts: list[int]
    thought: int
    end: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast) -> "LossWeights":
        return cls(
            head=tokenizer.encode(f"{START}assistant\n"),
            empty_thoughts=tokenizer.encode("<think>\n\n</think>\n\n"),
            thought=identity(tokenizer, "<think>"),
            end=identity(tokenizer, END),
        )

    def __call__(self, ids: list[int]) -> NDArray[np.float32]:
        """float32 [T] for the token ids of one conversation."""
        weights = np.full(len(ids), PROMPT_WEIGHT, np.float32)
        weights[0] = 0
        for index in range(len(ids) - len(self.head)):
            if ids[index : index + len(self.head)] == self.head:
                self._weigh_answer(ids, index + len(self.head), weights)
        return weights

    def _weigh_answer(self, ids: list[int], first: int, weights: NDArray[np.float32]) -> None:
        weights[first - len(self.head) : first] = 0
        weights[first : ids.index(self.end, first) + 1] = 1
        if ids[first : first + len(self.empty_thoughts)] == self.empty_thoughts:
            weights[first : first + len(self.empty_thoughts)] = 0
        elif ids[first] != self.thought:
            weights[first] = 0


@dataclass
class _Row:
    """A row being filled."""

    ids: list[list[int]]
    room: int


def pack(conversations: Iterable[list[int]], weigh: LossWeights, rows: int, length: int, pad: int) -> Iterator[Batch]:
    """Batches of `rows` by `length` tokens; a conversation goes whole into the fullest row that has room for it.

    Conversations longer than a row are left out. What is in the rows when the conversations end is dropped.
    """
    filling = [_Row([], length) for _ in range(rows)]
    for ids in conversations:
        if len(ids) > length:
            continue
        open_rows = [row for row in filling if row.room >= len(ids)]
        if not open_rows:
            yield _batch(filling, weigh, length, pad)
            filling = [_Row([], length) for _ in range(rows)]
            open_rows = filling
        row = min(open_rows, key=lambda row: row.room)
        row.ids.append(ids)
        row.room -= len(ids)


def _batch(rows: list[_Row], weigh: LossWeights, length: int, pad: int) -> Batch:
    shape = (len(rows), length)
    batch = Batch(
        tokens=np.full(shape, pad, np.int32),
        segments=np.zeros(shape, np.int32),
        positions=np.zeros(shape, np.int32),
        weights=np.zeros(shape, np.float32),
    )
    for index, row in enumerate(rows):
        start = 0
        for segment, ids in enumerate(row.ids, start=1):
            span = slice(start, start + len(ids))
            batch.tokens[index, span] = ids
            batch.segments[index, span] = segment
            batch.positions[index, span] = np.arange(len(ids))
            batch.weights[index, span] = weigh(ids)
            start += len(ids)
    return batch
