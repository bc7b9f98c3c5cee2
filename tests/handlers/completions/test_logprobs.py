"""Where the tokens of a prompt begin in its text, and what tokens are called."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.completions.logprobs import token_name, token_starts
from handlers.completions.plan import TokenizedPrompt
from handlers.generation.logprobs import TokenLogprob
from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.text.test_tokenizer import save_sentencepiece

TINY = Path(__file__).parents[3] / "backend/tiny/checkpoint"
texts = st.text(max_size=30) | st.sampled_from(["Hello, world!", "<|im_start|>user\nHi<|im_end|>", "Blåbær 東京 🙂"])


@pytest.fixture(scope="module")
def tiny():
    return ChatTokenizer(TINY)


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory):
    return ChatTokenizer(save_sentencepiece(tmp_path_factory.mktemp("sentencepiece")))


def starts(tokenizer, text):
    tokens = tokenizer.encode_text(text)
    return tokens, token_starts(TokenizedPrompt(tuple(tokens), text, "prompt"), tokenizer)


@given(text=texts)
def test_tokens_begin_where_the_text_of_those_before_them_ends(tiny, text):
    tokens, found = starts(tiny, text)
    for i, start in enumerate(found):
        whole = tiny.decode_tail(tokens[:i], i) if i else ""
        assert text[:start] == whole.rstrip("\ufffd") or text.startswith(whole), (text, i)
        assert start <= len(text)
    assert found == sorted(found)


def test_what_a_tokenizer_adds_takes_no_place(sentencepiece):
    tokens, found = starts(sentencepiece, "Hi you")
    pieces = [sentencepiece.token_text(token) for token in tokens]
    assert found[0] == 0 and found[-1] < len("Hi you") and len(pieces) == len(found)
    text = "Hi you"
    for piece, start in zip(pieces, found, strict=True):
        assert text.startswith(piece.strip(), start + (piece.startswith(" ") and start > 0)) or piece == "<s>"


@pytest.mark.parametrize(
    ("bytes_", "text", "name"),
    [
        (b"a", "a", "a"),
        ("é".encode(), "é", "é"),
        (b"\xe2\x82", "\ufffd", "bytes:\\xe2\\x82"),
        (None, "<|end|>", "<|end|>"),
    ],
)
def test_a_token_is_called_by_its_text_its_bytes_or_its_name(bytes_, text, name):
    assert token_name(TokenLogprob(text, bytes_, -1.0)) == name
