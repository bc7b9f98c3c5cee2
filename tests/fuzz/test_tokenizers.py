"""Texts and token ids of whatever kind: text becomes tokens and comes back, and any ids have a text."""

from pathlib import Path

import pytest
from hypothesis import strategies as st

from handlers.text.tokenizer import ChatTokenizer, PromptError
from tests.handlers.text.test_tokenizer import save_chatml, save_sentencepiece
from tests.handlers.text.texts import texts

pytestmark = pytest.mark.fuzz

TINY = Path(__file__).parents[2] / "backend" / "tiny" / "checkpoint"
MARKERS = [
    "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "[INST]", "</s>", "\U000f0000",
    "\U000f0001",
]  # fmt: skip
spoken = st.lists(texts | st.sampled_from(MARKERS), max_size=6).map("".join)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> list[ChatTokenizer]:
    saved = save_chatml(tmp_path_factory.mktemp("chatml")), save_sentencepiece(tmp_path_factory.mktemp("sentencepiece"))
    return [ChatTokenizer(folder) for folder in (TINY, *saved)]


def test_a_message_is_in_the_prompt_and_writes_no_control_token(fuzz, tokenizers: list[ChatTokenizer]) -> None:
    def check(drawn: tuple[int, str]) -> None:
        tokenizer, text = tokenizers[drawn[0]], drawn[1]
        try:
            prompt = encode(tokenizer, text)
        except PromptError:
            return
        controls = [token for token in prompt if tokenizer.token_bytes(token) is None]
        assert controls == [token for token in encode(tokenizer, "a") if tokenizer.token_bytes(token) is None]

    fuzz(st.tuples(st.integers(0, 2), spoken), check)


def encode(tokenizer: ChatTokenizer, text: str) -> list[int]:
    return tokenizer.encode_chat(
        [{"role": "user", "content": text}], tools=None, template_kwargs={}, reasoning_effort=None
    )


def test_any_tokens_have_a_text_that_is_what_its_pieces_are(fuzz, tokenizers: list[ChatTokenizer]) -> None:
    def check(drawn: tuple[int, list[int], list[int], list[str]]) -> None:
        number, prompt, tokens, stop = drawn
        tokenizer = tokenizers[number]
        prompt, tokens = ([token % tokenizer.vocab_size for token in ids] for ids in (prompt, tokens))
        pieces = tokenizer.detokenizer(prompt, stop)
        text = "".join([*(pieces.feed(token) for token in tokens if pieces.stopped_by is None), pieces.finish()])
        assert not any(each in text for each in stop)
        text.encode()  # no lone surrogates

    ids = st.lists(st.integers(0, 1 << 18), max_size=12)
    fuzz(st.tuples(st.integers(0, 2), ids, ids, st.lists(st.text(min_size=1, max_size=3), max_size=3)), check)
