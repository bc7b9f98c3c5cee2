"""A small vocabulary of every kind that public tokenizers have, trained on the spot where a library trains it."""

from collections.abc import Callable
from functools import cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from handlers.text.detokenizer import TokenBytes

TEXTS = ['{"a": "é", "ab": [1, 2]}', "aé aü ab abé \\ u00e9 \\ n", "ba 🐢 d83d", "true false null \x04"] * 3
SPECIAL = ["<unk>", "<call>"]


def _byte_level(alphabet: list[str]) -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    size = len(alphabet) + 70
    made.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=SPECIAL, show_progress=False),
    )
    return made


def _sentencepiece(model: models.Model, trainer: trainers.Trainer) -> Tokenizer:
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    made.decoder = decoders.Metaspace(prepend_scheme="never")
    made.train_from_iterator(TEXTS, trainer)
    return made


def _bpe_of_characters() -> Tokenizer:
    trainer = trainers.BpeTrainer(vocab_size=70, special_tokens=SPECIAL, show_progress=False)
    return _sentencepiece(models.BPE(unk_token="<unk>", fuse_unk=True), trainer)


def _unigram() -> Tokenizer:
    trainer = trainers.UnigramTrainer(vocab_size=70, unk_token="<unk>", special_tokens=SPECIAL, show_progress=False)
    return _sentencepiece(models.Unigram(), trainer)


MADE: dict[str, Callable[[], Tokenizer]] = {
    "byte-level BPE": lambda: _byte_level(pre_tokenizers.ByteLevel.alphabet()),
    "byte-level BPE of the bytes in its texts": lambda: _byte_level([]),
    "SentencePiece BPE": _bpe_of_characters,
    "SentencePiece Unigram": _unigram,
}
FALLBACK = " with byte fallback"
KINDS = (*MADE, "SentencePiece BPE" + FALLBACK, "SentencePiece Unigram" + FALLBACK)


@cache
def vocabulary_of(kind: str) -> tuple[bytes, ...]:
    """What each token of a vocabulary of KINDS adds to a text, b"" for the special tokens."""
    made = MADE[kind.removesuffix(FALLBACK)]()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>")
    tokens, bytes_ = TokenBytes(tokenizer), map(int.to_bytes, range(256) if kind.endswith(FALLBACK) else ())
    return tuple(b"" if id in tokenizer.added_tokens_decoder else tokens[id] for id in range(len(tokenizer))) + tuple(
        bytes_
    )
