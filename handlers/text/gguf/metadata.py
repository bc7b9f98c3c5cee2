"""The keys of a GGUF file that concern its tokenizer, checked where they are read."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

PREFIX = "tokenizer.ggml."
MODEL, PRE, TOKENS, TYPES = f"{PREFIX}model", f"{PREFIX}pre", f"{PREFIX}tokens", f"{PREFIX}token_type"
SCORES, MERGES = f"{PREFIX}scores", f"{PREFIX}merges"
CONVERT = "convert the checkpoint again with a current convert_hf_to_gguf.py of llama.cpp"


class TokenType(IntEnum):
    """What a token is: SentencePiece's types, which GGUF has for every kind of tokenizer."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class TokenizerMetadata:
    """Typed access to the key-values of one file; a key that is not what it should be raises ValueError with its name.

    path: of the file, for messages. values: as backend.read_gguf_metadata gives them.
    """

    path: Path
    values: Mapping[str, Any]

    def fault(self, key: str, what: str, advice: str = CONVERT) -> ValueError:
        """The error that says what is wrong with a key."""
        return ValueError(f"{self.path}: {key} {what}; {advice}")

    def has(self, key: str) -> bool:
        """Whether the file has the key."""
        return key in self.values

    def text(self, key: str, default: str | None = None) -> str:
        """A string. Without a default the key must be there."""
        return self._value(key, str, "a string", default)

    def flag(self, key: str, default: bool) -> bool:
        """A boolean."""
        return self._value(key, bool, "a boolean", default)

    def strings(self, key: str) -> list[str]:
        """A list of strings, which must be there."""
        found = self._value(key, list, "a list of strings")
        if not all(isinstance(text, str) for text in found):
            raise self.fault(key, "is not a list of strings")
        return found

    def numbers(self, key: str, count: int | None = None) -> np.ndarray:
        """An array of numbers, `count` of them if that is given; must be there."""
        found = self._value(key, np.ndarray, "an array of numbers")
        if count is not None and len(found) != count:
            raise self.fault(key, f"has {len(found):,} values for {count:,} tokens")
        return found

    def token_id(self, name: str) -> int | None:
        """The id of a token that has a part to play ("bos", "eos", "unknown", ...), None where the file names none."""
        key = f"{PREFIX}{name}_token_id"
        if key not in self.values:
            return None
        id = self._value(key, int, "a token id")
        if not 0 <= id < len(self.tokens):
            raise self.fault(key, f"is {id}, but there are {len(self.tokens):,} tokens")
        return id

    @cached_property
    def tokens(self) -> list[str]:
        """The text of every token by its id, each another."""
        tokens = self.strings(TOKENS)
        if not tokens:
            raise self.fault(TOKENS, "is empty")
        if len(set(tokens)) < len(tokens):
            text, times = Counter(tokens).most_common(1)[0]
            raise self.fault(TOKENS, f"has {text!r} {times} times")
        return tokens

    @cached_property
    def types(self) -> list[int]:
        """The TokenType of every token by its id; must be there, as without it no control token is one."""
        return [int(kind) for kind in self.numbers(TYPES, len(self.tokens))]

    def ids_of(self, *kinds: TokenType) -> list[int]:
        """The ids of all tokens of these types."""
        return [id for id, kind in enumerate(self.types) if kind in kinds]

    def _value(self, key: str, kind: type, name: str, default: Any = None) -> Any:
        value = self.values.get(key, default)
        if value is None:
            raise self.fault(key, "is missing")
        # A boolean is an int to isinstance.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.fault(key, f"is not {name}")
        return value
