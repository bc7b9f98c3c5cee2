"""The bundled model's tokenizer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from backend.tiny import CHECKPOINT
from training.tiny.tokenizer import CONTROL, MARKERS, VOCABULARY, train_tokenizer
from training.tokenizer import PIECES_PATTERN

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


SINGLY = PIECES_PATTERN.replace(r"|\s+(?=\s)", "")
BLANKS = st.text(st.sampled_from(" \t\n\r\v\u0085\u00a0\u2028\u3000athe1.{é"), max_size=40)


@given(text=BLANKS)
def test_blanks_are_the_tokens_that_they_are_one_by_one(text: str) -> None:
    file = json.loads((CHECKPOINT / "tokenizer.json").read_text())
    split = file["pre_tokenizer"]["pretokenizers"][0]
    assert split["pattern"]["Regex"] == PIECES_PATTERN
    split["pattern"]["Regex"] = SINGLY
    assert SINGLY != PIECES_PATTERN
    singly = Tokenizer.from_str(json.dumps(file))
    assert Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json")).encode(text).ids == singly.encode(text).ids


@pytest.mark.timeout(30)
def test_many_blanks_take_time_in_proportion() -> None:
    tokenizer = Tokenizer.from_file(str(CHECKPOINT / "tokenizer.json"))
    assert len(tokenizer.encode(" " * 500_000 + "x").ids) == 500_001
