"""The tokenizer, and what a conversation is in tokens and arrays."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from backend.media import Medium
from backend.models.media.interface import Run
from training.draw import Draw
from training.omni.model import CONTEXT, CONTROL, VOCABULARY, media_config
from training.omni.tasks import USUAL, Chat, chat
from training.packing import LossWeights
from training.tokenizer import byte_level_bpe, with_template

SAMPLES = 6_000
TEMPLATE = Path(__file__).with_name("chat_template.jinja")
MARKUP = re.compile("|".join(map(re.escape, CONTROL)))


@dataclass(frozen=True, eq=False)
class EncodedChat:
    """An `Encoded` of T tokens with what is shown in it.

    together: int32 [2, T], the first and the last of the tokens that see each other. patches: float32 [P, numbers],
    places: int32 [P, 2], pieces: float32 [S, samples]: what is shown, in order.
    """

    ids: list[int]
    weights: NDArray[np.float32]
    together: NDArray[np.int32]
    patches: NDArray[np.float32]
    places: NDArray[np.int32]
    pieces: NDArray[np.float32]


class Encoder:
    """Makes tokens and arrays of conversations, by the model's own code and its tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer, self.media = tokenizer, media_config()
        self.weigh = LossWeights.of(tokenizer, prompt=0)

    def __call__(self, chat: Chat) -> EncodedChat:
        ids = self.tokenizer.encode(shown(self.tokenizer, chat))
        calls = [call for medium in chat.media for call in self.media.calls(medium)]
        patches = [[part[: call.rows] for part in call.inputs] for call in calls if call.program.kind == "patches"]
        pieces = [call.inputs[0][: call.rows] for call in calls if call.program.kind == "sound"]
        pixels, places = zip(*patches, strict=True) if patches else ((), ())
        numbers, samples = (program.inputs[0][0][1] for program in self.media.programs[:2])
        return EncodedChat(
            ids,
            self.weigh(ids),
            self._together(ids),
            np.concatenate([np.empty((0, numbers), np.float32), *pixels]),
            np.concatenate([np.empty((0, 2), np.int32), *places]),
            np.concatenate([np.empty((0, samples), np.float32), *pieces]),
        )

    def _together(self, ids: list[int]) -> NDArray[np.int32]:
        own = np.arange(len(ids), dtype=np.int32)
        together = np.stack([own, own])
        seen = np.isin(ids, [self.media.placeholders["image"], self.media.placeholders["video"]])
        edges = np.flatnonzero(np.diff(seen.astype(np.int8), prepend=0, append=0))
        for first, behind in edges.reshape(-1, 2):
            together[0, first:behind], together[1, first:behind] = first, behind - 1
        return together


def shown(tokenizer: PreTrainedTokenizerFast, chat: Chat, ask: bool = False) -> str:
    """A conversation as the model reads it, with tokens that stand for what is shown. ask: up to its last answer."""
    messages = chat.messages[:-1] if ask else chat.messages
    text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask))
    written = iter(chat.media)
    return re.sub(r"<\|(?:image|video|audio)\|>", lambda _: spelled(next(written)), text)


def spelled(medium: Medium) -> str:
    """What stands for a medium in a prompt."""
    parts = media_config().written(medium)
    return "".join(
        CONTROL[part.token] * part.length if isinstance(part, Run) else part if isinstance(part, str) else CONTROL[part]
        for part in parts
    )


def train_tokenizer(seed: int, samples: int = SAMPLES) -> PreTrainedTokenizerFast:
    """A tokenizer of `VOCABULARY` ids, learnt from what is said in that many drawn conversations."""
    tokenizer = byte_level_bpe(_texts(seed, samples), VOCABULARY, CONTROL)
    return with_template(tokenizer, TEMPLATE.read_text(), hidden=CONTROL, context=CONTEXT)


def _texts(seed: int, samples: int) -> Iterator[str]:
    draw = Draw(random.Random(seed))
    for _ in range(samples):
        for message in chat(draw, media_config().choose_frames, USUAL).messages:
            content = message["content"]
            parts = [content] if isinstance(content, str) else [part.get("text", "") for part in content]
            yield from (piece for part in parts for piece in MARKUP.split(part))
