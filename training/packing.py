"""Turns conversations into fixed-size training batches: several to a row, kept apart by segment numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from training.tokenizer import END, START

PROMPT_WEIGHT = 0.1
THOUGHT, EMPTY_THOUGHTS = "<think>", "<think>\n\n</think>\n\n"


class Encoded(Protocol):
    """A conversation. ids: its tokens, T. weights: float32 [T], see `Batch`."""

    @property
    def ids(self) -> list[int]: ...

    @property
    def weights(self) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class EncodedText:
    """An `Encoded` of text alone."""

    ids: list[int]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, ids: list[int], weigh: "LossWeights") -> "EncodedText":
        return cls(ids, weigh(ids))


Conversation = TypeVar("Conversation", bound=Encoded)


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
    """Weighs the tokens of rendered conversations: 1 where the assistant speaks, `prompt` elsewhere.

    Nothing is learnt from what the template gives: the head of an answer with its empty block of thoughts. Nor from
    the first token of an answer that stands in the past without such a block, for no generation prompt ends there.
    Where the tokenizer has no token for thoughts, no answer has such a block.
    """

    head: list[int]
    empty_thoughts: list[int]
    thought: int | None
    end: int
    prompt: float

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast, prompt: float = PROMPT_WEIGHT) -> "LossWeights":
        ids = tokenizer.get_vocab()
        thinks = THOUGHT in ids
        return cls(
            head=tokenizer.encode(f"{START}assistant\n"),
            empty_thoughts=tokenizer.encode(EMPTY_THOUGHTS) if thinks else [],
            thought=ids[THOUGHT] if thinks else None,
            end=ids[END],
            prompt=prompt,
        )

    def __call__(self, ids: list[int]) -> NDArray[np.float32]:
        """float32 [T] for the token ids of one conversation."""
        weights = np.full(len(ids), self.prompt, np.float32)
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
        elif self.thought is not None and ids[first] != self.thought:
            weights[first] = 0


@dataclass(frozen=True)
class Packed(Generic[Conversation]):
    """A batch, and the conversations of each of its rows, which lie there one after the other."""

    batch: Batch
    rows: list[list[Conversation]]


def pack(
    conversations: Iterable[Conversation], rows: int, length: int, pad: int, rest: bool = False
) -> Iterator[Packed[Conversation]]:
    """Batches of `rows` by `length` tokens; a conversation goes whole into the fullest row that has room for it.

    Conversations longer than a row are left out. rest: when the conversations end, give what is in the rows as well.
    """
    filling: list[list[Conversation]]
    filling, room = _empty(rows, length)
    for conversation in conversations:
        size = len(conversation.ids)
        if size > length:
            continue
        if max(room) < size:
            yield Packed(_batch(filling, length, pad), filling)
            filling, room = _empty(rows, length)
        row = min((row for row in range(rows) if room[row] >= size), key=lambda row: room[row])
        filling[row].append(conversation)
        room[row] -= size
    if rest:
        yield Packed(_batch(filling, length, pad), filling)


def _empty(rows: int, length: int) -> tuple[list[list[Conversation]], list[int]]:
    return [[] for _ in range(rows)], [length] * rows


def _batch(rows: list[list[Conversation]], length: int, pad: int) -> Batch:
    shape = (len(rows), length)
    batch = Batch(
        tokens=np.full(shape, pad, np.int32),
        segments=np.zeros(shape, np.int32),
        positions=np.zeros(shape, np.int32),
        weights=np.zeros(shape, np.float32),
    )
    for index, row in enumerate(rows):
        start = 0
        for segment, conversation in enumerate(row, start=1):
            span = slice(start, start + len(conversation.ids))
            batch.tokens[index, span] = conversation.ids
            batch.segments[index, span] = segment
            batch.positions[index, span] = np.arange(len(conversation.ids))
            batch.weights[index, span] = conversation.weights
            start = span.stop
    return batch
