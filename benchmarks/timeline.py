"""What one generation gave and when, and the speeds that follow from it: the same arithmetic for every side."""

from dataclasses import dataclass

import numpy as np


class TooShort(Exception):
    """There was no time at which all rows decoded."""


@dataclass(frozen=True)
class Timeline:
    """One batch of B rows, N new tokens each.

    tokens: int [B, N]. arrivals: float64 [B, N], seconds from handing over the prompts until the host had the token.
    """

    tokens: np.ndarray
    arrivals: np.ndarray

    def __post_init__(self) -> None:
        assert self.tokens.shape == self.arrivals.shape

    @property
    def whole_rate(self) -> float:
        """New tokens per second of all rows together, the prompts' processing included."""
        return self.tokens.size / float(self.arrivals.max())

    @property
    def decode_rate(self) -> float:
        """New tokens per second of all rows together while every row was decoding.

        That is from the moment the last row had its first token until the first row had its last one; what came at the
        very start was computed before and does not count. Raises TooShort.
        """
        start, stop = self.arrivals[:, 0].max(), self.arrivals[:, -1].min()
        if stop <= start:
            raise TooShort("one row ended before another had begun; ask for more new tokens")
        return int(((self.arrivals > start) & (self.arrivals <= stop)).sum()) / float(stop - start)


def same_tokens(a: Timeline, b: Timeline) -> float:
    """Share of positions at which both drew the same token."""
    return float((a.tokens == b.tokens).mean())


def same_rows(a: Timeline, b: Timeline) -> float:
    """Share of rows that agree from the first to the last token."""
    return float((a.tokens == b.tokens).all(-1).mean())
