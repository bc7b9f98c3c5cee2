"""Small GGUF files that hold a tokenizer and nothing else, written by the gguf package."""

import json
from pathlib import Path
from typing import Any

import sentencepiece
from gguf import GGUFWriter, TokenType
from tokenizers import Tokenizer

PREFIX = "tokenizer.ggml."
USER_DEFINED = ("<tool_call>", "▁▁", "▁▁▁")


def write(path: Path, values: dict[str, Any]) -> Path:
    """A file with these tokenizer keys, those that are None left out; without a prefix they are tokenizer.ggml's."""
    writer = GGUFWriter(path, "llama")
    for name, value in values.items():
        key = name if "." in name else f"{PREFIX}{name}"
        match value:
            case None:
                continue
            case bool():
                writer.add_bool(key, value)
            case int():
                writer.add_uint32(key, value)
            case str():
                writer.add_string(key, value)
            case _:
                writer.add_array(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path


def byte_level_keys(tokenizer: Tokenizer, pre: str) -> dict[str, Any]:
    """The keys of a byte-level tokenizer whose pre-tokenizer GGUF calls `pre`, as llama.cpp's converter writes them."""
    added = tokenizer.get_added_tokens_decoder()
    model = json.loads(tokenizer.to_str())["model"]
    ids = range(tokenizer.get_vocab_size())
    kinds = [TokenType.NORMAL if id not in added else kind_of(added[id].special) for id in ids]
    return {
        "model": "gpt2",
        "pre": pre,
        "tokens": [tokenizer.id_to_token(id) for id in ids],
        "token_type": [int(kind) for kind in kinds],
        "merges": [" ".join(merge) for merge in model["merges"]],
        "bos_token_id": tokenizer.token_to_id("<s>"),
        "eos_token_id": tokenizer.token_to_id("</s>"),
    }


def kind_of(special: bool) -> TokenType:
    return TokenType.CONTROL if special else TokenType.USER_DEFINED


def sentencepiece_keys(model: bytes, *, prefix: bool) -> dict[str, Any]:
    """The keys of a model of SentencePiece's BPE, as llama.cpp's converter writes them."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    ids = range(processor.get_piece_size())
    kinds = [type_of(processor, id) for id in ids]
    own = [kind == TokenType.USER_DEFINED for kind in kinds]
    pieces = [processor.id_to_piece(id) for id in ids]
    return {
        "model": "llama",
        "pre": "default",
        "tokens": [text.replace("▁", " ") if is_own else text for text, is_own in zip(pieces, own, strict=True)],
        "scores": [processor.get_score(id) for id in ids],
        "token_type": [int(kind) for kind in kinds],
        "bos_token_id": processor.bos_id(),
        "eos_token_id": processor.eos_id(),
        "unknown_token_id": processor.unk_id(),
        "add_space_prefix": prefix,
    }


def type_of(processor: sentencepiece.SentencePieceProcessor, id: int) -> TokenType:
    """SentencePiece does not say which are user-defined; they are those that the test's models are made with."""
    if processor.is_control(id):
        return TokenType.CONTROL
    if processor.is_unknown(id):
        return TokenType.UNKNOWN
    if processor.is_byte(id):
        return TokenType.BYTE
    return TokenType.USER_DEFINED if processor.id_to_piece(id) in USER_DEFINED else TokenType.NORMAL
