"""Control tokens have no text; in a grammar each has a spelling that no text can have."""

from collections.abc import Sequence

from backend.grammar.structural.terms import ConstText, ControlToken, Marker

NO_TEXT, CUT = 0xFF, 0xFE
"""Bytes that UTF-8 never uses: what begins a control token, and what stands where reasoning is ended by its limit."""


def spelling(token: int) -> bytes:
    """The five bytes that stand for control token `token`, below 2 ** 24: no two have the same, none begins another."""
    assert 0 <= token < 1 << 24
    return bytes([NO_TEXT, *(0x80 | (token >> shift & 0x3F) for shift in (18, 12, 6, 0))])


def part_bytes(part: ConstText | ControlToken) -> bytes:
    """The bytes of one part of a marker."""
    return spelling(part.token) if isinstance(part, ControlToken) else part.text.encode()


def marker_bytes(marker: Marker) -> bytes:
    """The bytes of a marker: its texts in UTF-8, its control tokens as their spellings."""
    return b"".join(map(part_bytes, marker))


def token_spellings(tokens: Sequence[bytes]) -> list[bytes]:
    """What each token of a vocabulary adds to a string of a grammar, from the bytes that it adds to a text.

    A token without text, or whose bytes could be taken for a spelling, is as good as control: it has its spelling.
    """
    return [
        bytes_ if bytes_ and NO_TEXT not in bytes_ and CUT not in bytes_ else spelling(token)
        for token, bytes_ in enumerate(tokens)
    ]
