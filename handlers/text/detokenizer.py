"""Tokens to text, one token at a time: the bytes of a token, incremental UTF-8, stop strings and tokens."""

import codecs
import re
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

REPLACEMENT = "\ufffd"
_CHECK_TEXT = "Hello, wörld!\n  2+2 = 4 <b>ok</b> 中文 😀"
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _replace_each_byte(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return REPLACEMENT * (error.end - error.start), error.end


# SentencePiece shows each undecodable byte as one U+FFFD; Python's "replace" shows one per broken sequence.
codecs.register_error("replace_each_byte", _replace_each_byte)


def _byte_level_alphabet() -> dict[str, int]:
    """Character to byte, as GPT-2's byte-level BPE writes it: printable Latin-1 as itself, the rest from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


class Tokenizer(Protocol):
    """The methods of a transformers tokenizer that are called here."""

    def __len__(self) -> int: ...
    @property
    def added_tokens_decoder(self) -> Mapping[int, Any]: ...
    def convert_ids_to_tokens(self, ids: int) -> str | None: ...
    def convert_tokens_to_string(self, tokens: list[str]) -> str: ...
    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]: ...
    def decode(self, ids: list[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str: ...


class TokenBytes:
    """The bytes each token adds to a text that has already begun, for byte-level BPE and SentencePiece vocabularies.

    A token's bytes do not depend on its neighbours, so the text of any ids is the UTF-8 decoding of their joined bytes.
    errors: name of the codec error handler that shows malformed UTF-8 as the tokenizer itself does.
    Raises ValueError where the tokenizer's own decoding is not such a concatenation.
    """

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self._special = {id for id, token in added.items() if token.special}
        self._size = max(len(tokenizer), 1 + max(added, default=-1))
        self._alphabet = _byte_level_alphabet() if tokenizer.convert_tokens_to_string(["Ġ"]) == " " else {}
        self._byte_fallback = not self._alphabet and tokenizer.convert_tokens_to_string(["<0x41>"]) == "A"
        self.errors = "replace" if self._alphabet else "replace_each_byte"
        self._known: dict[int, bytes] = {}
        self._check()

    def __getitem__(self, token: int) -> bytes:
        """Bytes of one token; none for special tokens and for ids that the tokenizer does not know."""
        known = self._known.get(token)
        if known is None:
            known = self._known[token] = self._find(token)
        return known

    def is_special(self, token: int) -> bool:
        """Whether decoding leaves the token out (an added token that is not special stays visible)."""
        return token in self._special

    def _find(self, token: int) -> bytes:
        if token in self._special or token >= self._size:
            return b""
        piece = self._tokenizer.convert_ids_to_tokens(token)
        if piece is None:
            return b""
        if self._alphabet:
            return self._from_alphabet(piece)
        if self._byte_fallback and (match := _BYTE_PIECE.fullmatch(piece)):
            return bytes([int(match[1], 16)])
        # After another piece, because a decoder may strip the space that begins a text.
        return self._tokenizer.convert_tokens_to_string(["a", piece]).removeprefix("a").encode()

    def _from_alphabet(self, piece: str) -> bytes:
        # A piece with any other character is an added token, written as it is.
        if all(char in self._alphabet for char in piece):
            return bytes(self._alphabet[char] for char in piece)
        return piece.encode()

    def _check(self) -> None:
        ids = self._tokenizer.encode(_CHECK_TEXT, add_special_tokens=False)
        own = b"".join(self[id] for id in ids).decode(errors=self.errors)
        once, twice = self._decode(ids), self._decode([*ids, *ids])
        if twice != once + own:
            raise ValueError(
                f"the tokenizer ({type(self._tokenizer).__name__}) does not decode token by token: "
                f"it continued with {twice.removeprefix(once)!r} where its tokens say {own!r}. "
                "Byte-level BPE and SentencePiece tokenizers are supported."
            )

    def _decode(self, ids: list[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


class _Pattern:
    """Knuth-Morris-Pratt matching of one stop string or sequence of stop tokens.

    Its border table grows only as far as the input has matched.
    """

    def __init__(self, items: Sequence[Any]):
        self.items = items
        self.matched = 0
        self._borders = [0]

    def advance(self, item: Any) -> bool:
        """Take the next character or token; true when the pattern is complete: then only `go_on` may follow."""
        while self.matched and self.items[self.matched] != item:
            self.matched = self._border(self.matched)
        self.matched += self.items[self.matched] == item
        return self.matched == len(self.items)

    def go_on(self) -> None:
        """The pattern that is complete does not count: look for the next, which may overlap it."""
        self.matched = self._border(self.matched)

    def _border(self, length: int) -> int:
        while len(self._borders) < length:
            item, border = self.items[len(self._borders)], self._borders[-1]
            while border and self.items[border] != item:
                border = self._borders[border - 1]
            self._borders.append(border + (self.items[border] == item))
        return self._borders[length - 1]


def _advance(patterns: Sequence[_Pattern], item: Any, counts: bool) -> list[_Pattern]:
    """The patterns that are complete with the next character or token, none where that does not count."""
    complete = [pattern for pattern in patterns if pattern.advance(item)]
    if counts:
        return complete
    for pattern in complete:
        pattern.go_on()
    return []


class StopStrings:
    """Passes text through up to the stop string that is complete first (of two that end together, the longer).

    stop: non-empty strings. found: the one that was complete, None before that.

    Holds back what may still become a stop string. The outcome does not depend on how the text was cut into pieces, but
    for strings that are complete too early to count.
    """

    def __init__(self, stop: Sequence[str]):
        self._strings = [_Pattern(text) for text in stop]
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str, *, counts: bool = True) -> str:
        """Takes more text; gives what is certain to stand before a stop string. After `found` nothing may be fed.

        counts: a stop string that this text completes ends it.
        """
        if not self._strings:
            return text
        start, text = len(self._held), self._held + text
        for end in range(start + 1, len(text) + 1):
            complete = _advance(self._strings, text[end - 1], counts)
            if complete:
                longest = max(string.matched for string in complete)
                self.found, self._held = text[end - longest : end], ""
                return text[: end - longest]
        certain = len(text) - max(string.matched for string in self._strings)
        self._held = text[certain:]
        return text[:certain]

    def finish(self) -> str:
        """Ends the text; gives what was held back, since it did not become a stop string."""
        held, self._held = self._held, ""
        return held


class StopTokens:
    """Tells how much of a text certainly stands before the sequence of stop tokens that is complete first.

    sequences: of token ids, none empty. found: one was complete. Of two that end together the longer counts.
    """

    def __init__(self, sequences: Sequence[Sequence[int]]):
        self._sequences = [_Pattern(tuple(tokens)) for tokens in sequences]
        self._starts: deque[int] = deque(maxlen=max(map(len, sequences), default=1))
        self.found = False

    def feed(self, token: int, start: int, *, counts: bool = True) -> int | None:
        """Takes the next token; gives how many characters are certain, None for all. After `found` none may be fed.

        start: the character at which the token begins. counts: a sequence that this token completes ends the text.
        """
        self._starts.append(start)
        complete = _advance(self._sequences, token, counts)
        self.found = bool(complete)
        matched = max((sequence.matched for sequence in complete or self._sequences), default=0)
        return self._starts[-matched] if matched else None


class IncrementalDetokenizer:
    """The text of one choice as its tokens arrive, as a continuation of the prompt.

    prompt: token ids; a character that its last tokens left unfinished is finished by the first ones fed.
    stop: non-empty strings. stop_tokens: sequences of token ids that are not empty. min_tokens: how many tokens are fed
    before one that completes one of these ends the text. shown: special tokens that are not left out, with their texts
    as bytes.
    stopped_by: the stop string that was found, "" for a sequence of stop tokens, None for neither; the text ended
    before it, and later tokens add nothing. read: characters so far, those held back included.
    """

    def __init__(
        self,
        token_bytes: TokenBytes,
        prompt: Sequence[int],
        stop: Sequence[str],
        shown: Mapping[int, bytes] = MappingProxyType({}),
        min_tokens: int = 0,
        stop_tokens: Sequence[Sequence[int]] = (),
    ):
        self._bytes, self._shown, self._early = token_bytes, shown, min_tokens
        self.read = 0
        self._utf8 = codecs.getincrementaldecoder("utf-8")(token_bytes.errors)
        # An unfinished character is at most three bytes, so at most three tokens.
        self._utf8.decode(b"".join(token_bytes[token] for token in prompt[-3:]))
        self._strings, self._tokens = StopStrings(stop), StopTokens(stop_tokens)
        self._given, self._held = 0, ""

    @property
    def stopped_by(self) -> str | None:
        """The stop string that was found, "" for stop tokens, None for neither; the text ended before it."""
        return "" if self._tokens.found else self._strings.found

    def feed(self, token: int) -> str:
        """The text that this token makes certain: whole characters, and nothing that may belong to what ends it."""
        if self.stopped_by is not None:
            return ""
        start, text = self.read, self._utf8.decode(self._shown.get(token) or self._bytes[token])
        self.read += len(text)
        counts, self._early = self._early <= 0, self._early - 1
        self._held += self._strings.feed(text, counts=counts)
        certain = self._tokens.feed(token, start, counts=counts)
        if self._tokens.found:
            self._held += self._strings.finish()
        return self._give(None if self._strings.found is not None and not self._tokens.found else certain)

    def finish(self) -> str:
        """Ends the choice; gives the text held back, without a character whose last bytes never came."""
        if self.stopped_by is not None:
            return ""
        self._held += self._strings.finish()
        return self._give(None)

    def _give(self, end: int | None) -> str:
        """What is held of the text up to character `end`, None for all of it."""
        count = len(self._held) if end is None else max(0, end - self._given)
        text, self._held = self._held[:count], self._held[count:]
        self._given += len(text)
        return text
