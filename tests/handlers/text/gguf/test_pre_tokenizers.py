"""Every kind of pre-tokenizer splits a text as those do from whom it is."""

import json
from dataclasses import replace
from pathlib import Path

import mistral_common
import pytest
from hypothesis import given, settings
from tokenizers import Regex, decoders, normalizers
from tokenizers.pre_tokenizers import ByteLevel, Digits, Punctuation, Sequence, Split
from transformers import CohereTokenizer, GPTNeoXTokenizer, Qwen2Tokenizer, Qwen3_5Tokenizer
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

from handlers.text.gguf.pre_tokenizers import PRE_TOKENIZERS
from tests.handlers.text.texts import texts

BYTES, GPT2 = ByteLevel(add_prefix_space=False, use_regex=False), ByteLevel(add_prefix_space=False)
TEKKEN = json.loads((Path(mistral_common.__file__).parent / "data" / "tekken_240911.json").read_text())["config"]


def split(pattern):
    return Sequence([Split(Regex(pattern), "isolated"), BYTES])


# What the checkpoints' own tokenizer.json has, by other hands: tokenizers' own pre-tokenizer of GPT-2, transformers'
# table for GGUF files, mistral-common.
ORIGINALS = {
    "gpt-2": GPT2,
    "smollm": Sequence([Digits(individual_digits=True), GPT2]),
    "falcon": Sequence([Punctuation("contiguous"), GPT2, Split(Regex("[0-9][0-9][0-9]"), "isolated")]),
    "tekken": split(TEKKEN["pattern"]),
    **{name: split(pattern) for name, pattern in GGUF_PRE_TOKENIZER_SPLITS.items() if name in PRE_TOKENIZERS},
}
CLASSES = {
    "mpt": GPTNeoXTokenizer,
    "command-r": CohereTokenizer,
    "qwen2": Qwen2Tokenizer,
    "qwen35": Qwen3_5Tokenizer,
}
# Kinds that nobody else here has. With the real vocabularies of the first two, the ids of the 47 texts that llama.cpp
# has for each were those of the checkpoint's own tokenizer.
TEXT = "It's 12345 a=b;\n\n  N\u00e9\u0301 \u4e2d\u6587ab, \u0939\u093f\u3002 \uff21\r\n!?\n  ::x  "
SPLITS = {
    "deepseek-llm": "It|'|s| |1|2|3|4|5| a|=|b|;|\n|\n| | N|é|\u0301 |中文|ab|,| |हि|。| Ａ|\r|\n|!?|\n| | ::|x|  ",
    "deepseek-coder": "It|'|s| |1|2|3|4|5| a|=|b|;|\n|\n| | Né|\u0301| |中文|ab|,| |ह|ि|。| Ａ|\r|\n|!?|\n| | ::|x|  ",
    "deepseek-v3": "It|'s| |123|45| a|=b|;\n\n| | Né\u0301| |中文|ab|,| हि|。| Ａ|\r\n|!?\n| | ::|x|  ",
    "seed-coder": "It|'s| |1|2|3|4|5| a|=b|;|\n\n| | Né|\u0301| 中文ab|,| ह|ि。| Ａ|\r\n|!?|\n| | ::|x|  ",
    "minicpm5": "It|'s| |123|45| a|=b|;\n\n| | Né|\u0301| 中文ab|,| ह|ि。| Ａ|\r\n|!?\n| | ::|x|  ",
    "bloom": "It's| 12345| a=b;|\n\n | Né\u0301| 中文ab|,| हि|。| Ａ|\r\n!?\n | ::x|  ",
    "viking": "It's| |1|2|3|4|5| a=b;|\n\n | Né\u0301| 中文ab|,| हि|。| Ａ|\r\n!?\n | ::x|  ",
    "default": "It|'|s| |123|45| a|=|b|;|\n\n | Né|\u0301| 中文ab|,| ह|ि|。| Ａ|\r\n|!?|\n  |::|x|  ",
}


def pieces(pre_tokenizer, text):
    """In characters that stand for bytes."""
    return [piece for piece, _ in pre_tokenizer.pre_tokenize_str(text)]


@pytest.mark.parametrize("name", ORIGINALS)
def test_a_kind_splits_as_the_original_does(name):
    own = PRE_TOKENIZERS[name].pre_tokenizer()

    @settings(deadline=None, max_examples=100)
    @given(text=texts)
    def check(text):
        assert pieces(own, text) == pieces(ORIGINALS[name], text)

    check()


@pytest.mark.parametrize("name", CLASSES)
def test_a_kind_that_a_class_of_transformers_has_is_that_of_the_class(name):
    kind, original = PRE_TOKENIZERS[name], CLASSES[name]().backend_tokenizer
    own = kind.pre_tokenizer()
    assert isinstance(kind.normalizer(), normalizers.NFC) and isinstance(original.normalizer, normalizers.NFC)

    @settings(deadline=None, max_examples=100)
    @given(text=texts)
    def check(text):
        assert pieces(own, text) == pieces(original.pre_tokenizer, text)

    check()


@pytest.mark.parametrize("name", SPLITS)
def test_a_kind_splits_one_text_of_everything(name):
    found = pieces(PRE_TOKENIZERS[name].pre_tokenizer(), TEXT)
    assert [decoders.ByteLevel().decode([piece]) for piece in found] == SPLITS[name].split("|")


def test_every_kind_is_one_that_is_tested():
    tested = {PRE_TOKENIZERS[name] for name in (*ORIGINALS, *CLASSES, *SPLITS)}
    composed = {replace(kind, nfc=not kind.nfc) for kind in tested} | {
        replace(kind, whole_words=not kind.whole_words) for kind in tested
    }
    assert set(PRE_TOKENIZERS.values()) <= tested | composed
