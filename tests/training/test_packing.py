"""Packing conversations into training batches."""

import random
from collections.abc import Iterator
from dataclasses import replace

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from backend.attention.uncached import UncachedAttend
from backend.tiny import CHECKPOINT
from training.draw import Draw
from training.packing import PROMPT_WEIGHT, Batch, EncodedText, LossWeights, pack
from training.tiny.model import CONFIG, new_decoder
from training.tiny.tasks import Conversation, conversation
from training.tiny.tokenizer import CONTEXT, render, render_prompt
from training.tiny.train import LENGTH
from training.tokenizer import END

TOKENIZER = AutoTokenizer.from_pretrained(CHECKPOINT)
WEIGH = LossWeights.of(TOKENIZER)
PAD = TOKENIZER.pad_token_id
seeds = st.integers(0, 2**32)


def conversations(seed: int, count: int) -> list[Conversation]:
    draw = Draw(random.Random(seed))
    return [conversation(draw) for _ in range(count)]


def encoded(chat: Conversation) -> list[int]:
    return TOKENIZER.encode(render(TOKENIZER, chat))


def weighed(chats: list[Conversation]) -> list[EncodedText]:
    return [EncodedText.of(encoded(chat), WEIGH) for chat in chats]


def segments(batch: Batch) -> Iterator[tuple[int, np.ndarray]]:
    """(row, columns) of every packed conversation."""
    for row, numbers in enumerate(batch.segments):
        for number in range(1, numbers.max() + 1):
            yield row, np.flatnonzero(numbers == number)


@given(seeds)
@settings(max_examples=20)
def test_packed_conversations_are_whole_and_in_place(seed: int) -> None:
    given = weighed(conversations(seed, 40))
    packed = []
    for batch, rows in ((each.batch, each.rows) for each in pack(given, rows=3, length=256, pad=PAD)):
        in_order = iter(text.ids for row in rows for text in row)
        for row, columns in segments(batch):
            packed.append(batch.tokens[row, columns].tolist())
            assert packed[-1] == next(in_order)
            assert batch.positions[row, columns].tolist() == list(range(len(columns)))
            assert np.array_equal(batch.weights[row, columns], WEIGH(packed[-1]))
        assert (batch.tokens[batch.segments == 0] == PAD).all() and not batch.weights[batch.segments == 0].any()
    fitting = [text.ids for text in given if len(text.ids) <= 256]
    assert sorted(packed) == sorted(fitting[: len(packed)])
    *_, last = pack(given, rows=3, length=256, pad=PAD, rest=True)
    assert sorted(packed + [text.ids for row in last.rows for text in row]) == sorted(fitting)


@given(seeds)
def test_the_last_answer_counts_in_full_and_what_the_template_gives_does_not(seed: int) -> None:
    (chat,) = conversations(seed, 1)
    prompt, whole = (TOKENIZER.encode(render_(TOKENIZER, chat)) for render_ in (render_prompt, render))
    weights = WEIGH(whole)
    assert (weights[len(prompt) : -1] == 1).all() and whole[-2] == WEIGH.end
    given_head = len(WEIGH.head) if chat.thinking else len(WEIGH.head) + len(WEIGH.empty_thoughts)
    assert not weights[len(prompt) - given_head : len(prompt)].any()


@given(seeds)
def test_what_users_and_tools_say_counts_little(seed: int) -> None:
    (chat,) = conversations(seed, 1)
    ids = encoded(chat)
    spoken = TOKENIZER.decode([token for token, weight in zip(ids, WEIGH(ids), strict=True) if weight == 1])
    answers = sum(message["role"] == "assistant" for message in chat.messages)
    assert spoken.count(END) == answers and "<|im_start|>" not in spoken and "<tool_response>" not in spoken
    assert set(WEIGH(ids).tolist()) <= {0.0, 1.0, float(np.float32(PROMPT_WEIGHT))}


def test_a_packed_conversation_gets_the_hidden_states_it_gets_alone() -> None:
    decoder = new_decoder(0, replace(CONFIG, layers=CONFIG.layers[:1]))
    batch = next(pack(weighed(conversations(5, 40)), rows=2, length=192, pad=PAD)).batch
    row, columns = max(segments(batch), key=lambda segment: segment[1][0])
    assert columns[0] > 0

    @jax.jit
    def both(tokens: jax.Array, positions: jax.Array, numbers: jax.Array) -> tuple[jax.Array, jax.Array]:
        together, _ = decoder(decoder.embed(tokens), decoder.context(positions, UncachedAttend(numbers)), [None])
        one = decoder.embed(tokens[row : row + 1, columns])
        alone, _ = decoder(one, decoder.context(positions[row : row + 1, columns], UncachedAttend()), [None])
        return together[row, columns], alone[0]

    together, alone = both(batch.tokens, batch.positions, batch.segments)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_nearly_every_conversation_fits_a_row_and_all_fit_the_context() -> None:
    lengths = np.array([len(encoded(chat)) for chat in conversations(0, 1000)])
    assert lengths.max() <= CONTEXT
    assert (lengths <= LENGTH).mean() > 0.95
