"""Conversations about what is drawn, and the tokens and arrays that they are."""

import json
import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.media import Film, Picture, Sound
from training.draw import Draw, Phrases
from training.omni import wordings
from training.omni.batches import LENGTH, exams, with_media
from training.omni.model import CONTROL, VOCABULARY, media_config
from training.omni.pictures import COLOURS, SHAPES
from training.omni.tasks import MEDIA, PLACES, TASKS, USUAL, Chat, chat, exam
from training.omni.tokenizer import Encoder, shown, train_tokenizer
from training.packing import pack

COLOUR, SHAPE = "|".join(COLOURS), "|".join(SHAPES)
TOWARDS = "to the left|to the right|up|down"
ANSWERS = {
    "describe": rf"An? ({COLOUR}) ({SHAPE})\.",
    "colour": rf"(?i:{COLOUR})\.",
    "shape": rf"A ({SHAPE})\.",
    "json": rf'\{{"color": "({COLOUR})", "shape": "({SHAPE})"\}}',
    "either": rf"A ({SHAPE})\.",
    "place": rf"(?i:{'|'.join(PLACES)})\.",
    "count": r"[1-3]\.",
    "digit": r"\d\.",
    "tone": r"A (high|low|rising|falling) tone\.",
    "pitch": r"(High|Low|Rising|Falling)\.",
    "beeps": r"[1-4]\.",
    "direction": rf"(?i:{TOWARDS})\.",
    "watch": rf"An? ({COLOUR}) shape moves ({TOWARDS})\.",
    "film_colour": rf"(?i:{COLOUR})\.",
}
KINDS = {"image": Picture, "audio": Sound, "video": Film}
choose = media_config().choose_frames
seeds = st.integers(0, 2**32)
few = settings(max_examples=20, deadline=None)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(train_tokenizer(0, samples=300))


@pytest.mark.parametrize("task", TASKS)
def test_an_exam_shows_one_medium_and_has_one_answer_of_its_kind(task: str) -> None:
    draw = Draw(random.Random(task))
    for _ in range(6):
        asked = exam(draw, task, choose)
        question, answer = asked.messages
        parts = {part["type"]: part for part in question["content"]}
        (kind,) = parts.keys() - {"text"}
        assert isinstance(asked.media[0], KINDS[kind]) and len(asked.media) == 1
        assert "{" not in parts["text"]["text"] and re.fullmatch(ANSWERS[task], answer["content"])
        if task == "json":
            assert json.loads(answer["content"]).keys() == {"color", "shape"}


def test_every_kind_of_medium_is_asked_about() -> None:
    assert set(TASKS.values()) == set(MEDIA) and set(TASKS) == set(ANSWERS)


@pytest.mark.parametrize("name", [name for name, value in vars(wordings).items() if isinstance(value, Phrases)])
def test_phrasings_of_the_evaluation_are_none_of_the_trainings(name: str) -> None:
    phrases: Phrases = getattr(wordings, name)
    assert len(phrases.train) >= 7 and len(phrases.held_out) >= 3
    plain = [{re.sub(r"[^a-z{} ]", "", text.lower()) for text in texts} for texts in (phrases.train, phrases.held_out)]
    assert plain[0].isdisjoint(plain[1])


@given(seeds)
@few
def test_conversations_alternate_and_answer_to_the_letter_what_is_shown(seed: int) -> None:
    drawn = chat(Draw(random.Random(seed)), choose, USUAL)
    spoken = [message["role"] for message in drawn.messages if message["role"] != "system"]
    assert spoken == ["user", "assistant"] * (len(spoken) // 2)
    again = chat(Draw(random.Random(seed)), choose, USUAL)
    assert again.messages == drawn.messages and [medium.key for medium in again.media] == [m.key for m in drawn.media]


@given(seeds)
@few
def test_what_is_shown_stands_in_the_prompt_with_its_arrays(encoder: Encoder, seed: int) -> None:
    drawn = chat(Draw(random.Random(seed)), choose, USUAL)
    encoded = encoder(drawn)
    ids = np.array(encoded.ids)
    pictured = np.isin(ids, [CONTROL.index("<|image|>"), CONTROL.index("<|video|>")])
    assert len(encoded.patches) == len(encoded.places) == pictured.sum()
    assert len(encoded.pieces) == (ids == CONTROL.index("<|audio|>")).sum()
    first, last = encoded.together
    for at, (start, end) in enumerate(zip(first, last, strict=True)):
        assert start <= at <= end and (pictured[start : end + 1].all() if start < end else True)
    runs = np.count_nonzero(np.diff(pictured.astype(int), prepend=0) == 1)
    assert runs == sum(1 if isinstance(m, Picture) else len(m.frames) for m in drawn.media if not isinstance(m, Sound))
    assert len({(start, end) for start, end in zip(first, last, strict=True) if start < end}) == runs


@given(seeds)
@few
def test_answers_count_and_nothing_else_does(encoder: Encoder, seed: int) -> None:
    drawn = chat(Draw(random.Random(seed)), choose, USUAL)
    encoded = encoder(drawn)
    counted = [token for token, weight in zip(encoded.ids, encoded.weights, strict=True) if weight]
    answers = [message["content"] for message in drawn.messages if message["role"] == "assistant"]
    assert encoder.tokenizer.decode(counted) == "".join(f"{answer}<|im_end|>" for answer in answers)
    assert set(encoded.weights.tolist()) <= {0.0, 1.0}


def test_a_question_is_the_beginning_of_the_conversation(encoder: Encoder) -> None:
    for asking, encoded in exams(encoder, "watch", 3, "seed", new_phrases=True):
        asked = encoder.tokenizer.encode(shown(encoder.tokenizer, asking, ask=True))
        assert encoded.ids[: len(asked)] == asked


def test_a_batch_has_each_medium_at_its_tokens(encoder: Encoder) -> None:
    draw = Draw(random.Random(0))
    encoded = [encoder(chat(draw, choose, USUAL)) for _ in range(12)]
    packed = next(pack(encoded, 3, LENGTH, encoder.tokenizer.pad_token_id, rest=True))
    batch = with_media(packed, encoder, 600, 300)
    flat = batch.tokens.reshape(-1)
    for placed, values, names in (
        (batch.patch_at, batch.patches, ("<|image|>", "<|video|>")),
        (batch.piece_at, batch.pieces, ("<|audio|>",)),
    ):
        used = placed[placed < flat.size]
        assert np.isin(flat[used], [CONTROL.index(name) for name in names]).all()
        assert len(used) == np.isin(flat, [CONTROL.index(name) for name in names]).sum()
        assert not values[len(used) :].any()
    for row, chats in enumerate(packed.rows):
        start = 0
        for each in chats:
            span = slice(start, start + len(each.ids))
            np.testing.assert_array_equal(batch.together[:, row, span], each.together)
            inside = (batch.patch_at >= row * LENGTH + span.start) & (batch.patch_at < row * LENGTH + span.stop)
            np.testing.assert_array_equal(batch.patches[inside], each.patches)
            start = span.stop
    with pytest.raises(ValueError, match="more than the 3"):
        with_media(packed, encoder, 3, 300)


def test_the_tokenizer_has_control_tokens_first_and_hides_them(encoder: Encoder) -> None:
    tokenizer = encoder.tokenizer
    assert [tokenizer.get_vocab()[token] for token in CONTROL] == list(range(len(CONTROL)))
    assert len(tokenizer) <= VOCABULARY
    text = shown(tokenizer, Chat([{"role": "user", "content": "Hello"}], []))
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == "user\nHello\n"
