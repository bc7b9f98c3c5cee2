"""Control tokens have no text; in a grammar each has a spelling that no text can have."""

from collections.abc import Sequence
from typing import Any

NO_TEXT = 0xFF
"""A byte that UTF-8 never uses."""


def spelling(token: int) -> bytes:
    """The five bytes that stand for control token `token`, below 2 ** 24: no two have the same, none begins another."""
    assert 0 <= token < 1 << 24
    return bytes([NO_TEXT, *(0x80 | (token >> shift & 0x3F) for shift in (18, 12, 6, 0))])


def term_bytes(term: Sequence[Any]) -> bytes:
    """How a `text` or `control` term is spelled."""
    kind, what = term
    return spelling(what) if kind == "control" else what.encode()


def marker_bytes(marker: Sequence[Sequence[Any]]) -> bytes:
    """How several such terms are spelled, one after the other."""
    return b"".join(map(term_bytes, marker))


def spelled(tokens: Sequence[bytes]) -> list[bytes]:
    """The bytes of every token in a grammar. Those that could be taken for a spelling are as good as control."""
    return [bytes_ if bytes_ and NO_TEXT not in bytes_ else spelling(token) for token, bytes_ in enumerate(tokens)]
