"""SentencePiece's BPE (`tokenizer.ggml.model` llama and gemma4): over characters, spaces written as U+2581."""

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers

from handlers.text.gguf.byte_level import read_merges
from handlers.text.gguf.metadata import PREFIX, SCORES, TokenizerMetadata, TokenType

SPACE = "▁"
ADD_SPACE_PREFIX = f"{PREFIX}add_space_prefix"
UNKNOWN = 0
"""The id of the unknown token where the file names none."""


def sentencepiece_bpe(metadata: TokenizerMetadata) -> Tokenizer:
    """BPE that merges the pair whose piece has the highest score; what has no piece is written in bytes.

    A space is put before each text between control tokens, if the file says so, which it does by default, and if it is
    not Mistral's. Raises ValueError naming the key.
    """
    tokens = metadata.tokens
    scores = metadata.numbers(SCORES, len(tokens))
    made = metadata.ids_of(TokenType.NORMAL)
    longer = [id for id in made if len(tokens[id]) > 1]
    if len(longer) > 1 and np.ptp(scores[longer]) == 0:
        raise metadata.fault(SCORES, f"are all {scores[longer[0]]:g}, which says nothing of the order of merges")
    order = sorted(longer, key=lambda id: -scores[id])
    pieces = {tokens[id] for id in made}
    return _spaced_bpe(metadata, [pair for id in order for pair in _pairs(tokens[id], pieces)])


def gemma4(metadata: TokenizerMetadata) -> Tokenizer:
    """The same where the file has the merges. Raises ValueError naming the key."""
    vocab = {token: id for id, token in enumerate(metadata.tokens)}
    return _spaced_bpe(metadata, read_merges(metadata, vocab))


def _spaced_bpe(metadata: TokenizerMetadata, merges: list[tuple[str, str]]) -> Tokenizer:
    vocab = {token: id for id, token in enumerate(metadata.tokens)}
    unknown = metadata.tokens[_unknown(metadata)]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token=unknown, fuse_unk=True, byte_fallback=True))
    prefix = metadata.flag(ADD_SPACE_PREFIX, True) and not _is_mistral(metadata)
    front = [normalizers.Prepend(SPACE)] if prefix else []
    tokenizer.normalizer = normalizers.Sequence([*front, normalizers.Replace(" ", SPACE)])
    strip = [decoders.Strip(" ", 1, 0)] if prefix else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    return tokenizer


def _is_mistral(metadata: TokenizerMetadata) -> bool:
    """Whether the vocabulary is one of Mistral's with tokens for instructions: their templates write the space."""
    return any(metadata.tokens[id] == "[INST]" for id in metadata.ids_of(TokenType.CONTROL))


def _pairs(piece: str, pieces: set[str]) -> list[tuple[str, str]]:
    """The ways in which two pieces make one, the longest left one first, as runs of one character are merged."""
    cuts = range(len(piece) - 1, 0, -1)
    return [(piece[:cut], piece[cut:]) for cut in cuts if piece[:cut] in pieces and piece[cut:] in pieces]


def _unknown(metadata: TokenizerMetadata) -> int:
    id = metadata.token_id("unknown")
    return UNKNOWN if id is None else id
