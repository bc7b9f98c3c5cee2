"""Real vocabularies: the three that ship inside the mistral-common wheel, and the bundled model's own."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import mistral_common
import sentencepiece
import tiktoken
from transformers import AutoTokenizer

from handlers.text.detokenizer import TokenBytes

DATA = Path(mistral_common.__file__).parent / "data"
SENTENCEPIECE = DATA / "mistral_instruct_tokenizer_240323.model.v3"
TEKKEN = DATA / "tekken_240911.json"
TEKKEN_SPECIAL = 1000
TEKKEN_SIZES = {"131k": 131_072, "151k": None}
NAMES = ("bundled", "32k", "131k", "151k")


@dataclass(frozen=True)
class Vocabulary:
    """tokens: the bytes each id adds to a text, empty for special tokens. end: id of the end token.
    encode: text to ids, as the tokenizer continues a text that has already begun.
    """

    name: str
    tokens: tuple[bytes, ...]
    end: int
    encode: Callable[[str], list[int]]

    @property
    def special(self) -> list[int]:
        """Ids that add nothing to a text."""
        return [id for id, token in enumerate(self.tokens) if not token]


@cache
def vocabulary(name: str) -> Vocabulary:
    """The vocabulary of that name, one of NAMES."""
    if name == "bundled":
        return _bundled()
    return _sentencepiece() if name == "32k" else _tekken(name)


def _bundled() -> Vocabulary:
    tokenizer = AutoTokenizer.from_pretrained(str(files("backend.tiny") / "checkpoint"))
    token_bytes = TokenBytes(tokenizer)
    tokens = tuple(token_bytes[id] for id in range(len(tokenizer)))
    return Vocabulary(
        "bundled", tokens, tokenizer.eos_token_id, lambda text: tokenizer.encode(text, add_special_tokens=False)
    )


def _sentencepiece() -> Vocabulary:
    model = sentencepiece.SentencePieceProcessor(model_file=str(SENTENCEPIECE))
    tokens = tuple(_piece(model, id) for id in range(model.vocab_size()))

    def encode(text: str) -> list[int]:
        # SentencePiece puts a space before what begins a text: a line break stands in its way and is cut off again.
        ids = model.encode("\n" + text)
        return ids[[tokens[id] for id in ids].index(b"\n") + 1 :]

    return Vocabulary("32k", tokens, model.eos_id(), encode)


def _piece(model: sentencepiece.SentencePieceProcessor, id: int) -> bytes:
    if model.is_control(id) or model.is_unknown(id) or model.is_unused(id):
        return b""
    piece = model.id_to_piece(id)
    return bytes([int(piece[3:5], 16)]) if model.is_byte(id) else piece.replace("▁", " ").encode()


def _tekken(name: str) -> Vocabulary:
    document = json.loads(TEKKEN.read_text(encoding="utf-8"))
    size = TEKKEN_SIZES[name]
    entries = document["vocab"][: None if size is None else size - TEKKEN_SPECIAL]
    ranks = {base64.b64decode(entry["token_bytes"]): rank for rank, entry in enumerate(entries)}
    encoding = tiktoken.Encoding(name, pat_str=document["config"]["pattern"], mergeable_ranks=ranks, special_tokens={})
    return Vocabulary(
        name,
        (b"",) * TEKKEN_SPECIAL + tuple(ranks),
        2,
        lambda text: [TEKKEN_SPECIAL + rank for rank in encoding.encode_ordinary(text)],
    )
