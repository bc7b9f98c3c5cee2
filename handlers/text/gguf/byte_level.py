"""Byte-level BPE (`tokenizer.ggml.model` gpt2): merges over bytes that are written as characters."""

from tokenizers import Tokenizer, decoders, models

from handlers.text.gguf.metadata import MERGES, PRE, TokenizerMetadata
from handlers.text.gguf.pre_tokenizers import PRE_TOKENIZERS, PreTokenizerKind


def byte_level(metadata: TokenizerMetadata) -> Tokenizer:
    """The tokenizer of tokens, merges and the pre-tokenizer that the file names. Raises ValueError naming the key."""
    kind = _kind(metadata)
    vocab = {token: id for id, token in enumerate(metadata.tokens)}
    tokenizer = Tokenizer(models.BPE(vocab, read_merges(metadata, vocab), ignore_merges=kind.whole_words))
    if (normalizer := kind.normalizer()) is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = kind.pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def read_merges(metadata: TokenizerMetadata, vocab: dict[str, int]) -> list[tuple[str, str]]:
    """The pairs that are merged, in order. Raises ValueError where one is of or makes what is no token."""
    merges = []
    for i, text in enumerate(metadata.strings(MERGES)):
        # A token may begin with a space, where spaces are not written as another character.
        at = text.find(" ", 1)
        left, right = text[:at], text[at + 1 :]
        if at < 0 or left not in vocab or right not in vocab or left + right not in vocab:
            raise metadata.fault(f"{MERGES}[{i}]", f"is {text!r}, which is not two tokens that make a third")
        merges.append((left, right))
    return merges


def _kind(metadata: TokenizerMetadata) -> PreTokenizerKind:
    name = metadata.text(PRE)
    kind = PRE_TOKENIZERS.get(name)
    if kind is None:
        known = ", ".join(sorted(PRE_TOKENIZERS))
        raise metadata.fault(
            PRE, f"is {name!r}, which is not known here (known: {known})", "serve the checkpoint's own folder instead"
        )
    return kind
