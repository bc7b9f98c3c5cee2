"""How large the engine is: what is compiled and allocated before the first request."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineConfig:
    """What may be chosen.

    context: prompt and output tokens of one choice at most. row_buckets: batch sizes that are compiled; the last is
    the number of rows. prefill_buckets: prompt tokens per prefill call that are compiled; a longer prompt takes several
    calls. max_steps: decoding steps per dispatch at most. block_seconds: how long one dispatch should take, which
    bounds how late a token is seen. max_queue: choices that may run or wait. grammar_cells: int32 cells for grammars,
    at least what the largest takes. grammar_masks: sets of allowed tokens that are remembered, a bit per token each.
    """

    context: int
    row_buckets: tuple[int, ...] = (1, 4, 16)
    prefill_buckets: tuple[int, ...] = (32, 256)
    max_steps: int = 16
    block_seconds: float = 0.04
    max_queue: int = 1024
    grammar_cells: int = 3 << 22
    grammar_masks: int = 4096

    def __post_init__(self) -> None:
        assert list(self.row_buckets) == sorted(set(self.row_buckets)) and self.row_buckets[0] >= 1
        assert list(self.prefill_buckets) == sorted(set(self.prefill_buckets)) and self.prefill_buckets[0] >= 1

    @property
    def rows(self) -> int:
        """Choices decoded at the same time."""
        return self.row_buckets[-1]

    @property
    def chunk(self) -> int:
        """Prompt tokens per prefill call at most."""
        return self.prefill_buckets[-1]


def row_buckets(rows: int) -> tuple[int, ...]:
    """1, 4, 16, ... up to and including `rows`: a batch is at most four times too wide."""
    assert rows >= 1
    return (*(4**i for i in range(16) if 4**i < rows), rows)


def bucket(buckets: tuple[int, ...], size: int) -> int:
    """The smallest of the ascending `buckets` that holds `size`."""
    return next(b for b in buckets if b >= size)
