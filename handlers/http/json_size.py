"""How many values JSON text has, known before any of them is made.

A parser makes all of them at once and holds the interpreter's lock meanwhile: for a body of two megabytes this may be
300,000 objects and half a second. Text is never a reason: what stands in strings is not counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

CHUNK_BYTES = 1 << 20
BACKSLASH, QUOTE, COMMA = 0x5C, 0x22, 0x2C
OPENING = b"{["


@dataclass(frozen=True)
class JSONSize:
    """Of JSON text: how many objects and lists it has, and how many commas between members."""

    containers: int
    commas: int

    def within(self, other: "JSONSize") -> bool:
        """Whether it has no more than the other of either."""
        return self.containers <= other.containers and self.commas <= other.commas


def is_within(text: bytes, most: JSONSize) -> bool:
    """Whether JSON text has no more than that. Takes a millisecond for a megabyte, or 20 where there may be more."""
    containers, commas = sum(text.count(each) for each in OPENING), text.count(COMMA)
    if JSONSize(containers, commas).within(most):
        return True
    found = JSONSize(0, 0)
    for part in sizes(text):
        found = JSONSize(found.containers + part.containers, found.commas + part.commas)
        if not found.within(most):
            return False
    return True


def sizes(text: bytes) -> Iterator[JSONSize]:
    """Those of the parts of JSON text, about CHUNK_BYTES each."""
    begin, inside = 0, False
    while begin < len(text):
        end = min(len(text), begin + CHUNK_BYTES)
        while end < len(text) and text[end - 1] == BACKSLASH:  # what it escapes stands in the same part
            end += 1
        size, inside = _count(np.frombuffer(text, np.uint8, end - begin, begin), inside)
        yield size
        begin = end


def _count(text: np.ndarray, inside: bool) -> tuple[JSONSize, bool]:
    """The size of a part of JSON text [bytes], and whether it ends in a string. inside: it begins in one."""
    quotes = text == QUOTE
    backslashes = text == BACKSLASH
    if backslashes.any():
        places = np.arange(1, len(text) + 1)
        last_other = np.maximum.accumulate(np.where(backslashes, 0, places))  # 1-based, 0 for none
        run = places - last_other  # of backslashes that end here
        quotes[1:] &= run[:-1] % 2 == 0
    outside = np.logical_xor.accumulate(quotes) == inside
    opening = (text == OPENING[0]) | (text == OPENING[1])
    found = JSONSize(int((opening & outside).sum()), int(((text == COMMA) & outside).sum()))
    return found, inside ^ bool(quotes.sum() % 2)
