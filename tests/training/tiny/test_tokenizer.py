"""The bundled model's tokenizer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from backend.tiny import CHECKPOINT
from training.tiny.tokenizer import CONTROL, MARKERS, VOCABULARY, train_tokenizer

TOKENIZER = AutoTokenizer.from_pretrained(CHECKPOINT)


@given(st.text())
def test_any_text_comes_back_from_its_tokens(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


@given(st.binary(max_size=8).map(lambda raw: raw.decode("latin-1")))
def test_every_byte_has_tokens(text: str) -> None:
    assert all(0 <= token < VOCABULARY for token in TOKENIZER.encode(text))


@given(st.integers(0, 10**12))
def test_digits_are_single_tokens(number: int) -> None:
    assert len(TOKENIZER.encode(str(number))) == len(str(number))


@given(st.text(st.characters(codec="ascii", categories=["L"]), min_size=4))
def test_a_copied_word_is_the_same_tokens_after_a_space_and_in_quotes(word: str) -> None:
    tokens = TOKENIZER.encode(word)
    assert TOKENIZER.encode(f"in {word}.")[-len(tokens) - 1 : -1] == tokens
    assert TOKENIZER.encode(f'{{"city": "{word}"}}')[-len(tokens) - 1 : -1] == tokens


@pytest.mark.parametrize("token", CONTROL + MARKERS)
def test_control_tokens_vanish_from_text_and_markers_stay(token: str) -> None:
    (identity,) = TOKENIZER.encode(token)
    assert TOKENIZER.decode([identity], skip_special_tokens=True) == ("" if token in CONTROL else token)


def test_training_is_reproducible() -> None:
    first, second = (train_tokenizer(seed=3, samples=200) for _ in range(2))
    assert first.backend_tokenizer.to_str() == second.backend_tokenizer.to_str()
