"""How large the engine is: what is compiled and allocated before the first request."""

from dataclasses import dataclass

from backend.engine.prefill_shapes import SHAPES, WEIGHTS, Shape, padded
from backend.pooling import PoolingConfig


@dataclass(frozen=True)
class EngineConfig:
    """The sizes of an engine, fixed when its programs are compiled.

    groups: of rows, over which requests are spread out: each has all weights, and rows and pages of its own, so that
    what follows is that of one group. A program runs in all of them at the same time, in one shape.
    context: prompt and output tokens of one choice at most; it fits the pool. pages: of the pool, `page_tokens`
    positions each. row_buckets: batch sizes that are compiled; the last is the number of rows. prefill_shapes: (rows,
    tokens) of the prefill programs that are compiled; the last one's tokens are the most that a call takes of a prompt.
    weight_tokens: what reading the weights costs a prefill call, in tokens.
    max_steps: decoding steps per dispatch at most. block_seconds: how long one dispatch should take, which bounds how
    late a token is seen. read_behind: a block is read while the next one runs; False where programs run synchronously.
    max_queue: choices that may run or wait, see `Places`. stall_seconds: after which a computation that has not ended
    never will.
    grammar_cells: int32 cells for grammars, at least what the largest takes.
    grammar_masks: sets of allowed tokens that are remembered, a bit per token each; 0 where all are computed anew, by
    kernels of a GPU.
    prompt_embeddings: prompts may have spans, whose embeddings the prefill programs then take beside the ids.
    both_ways: most positions of a span that sees both ways, 0 where none does; one prefill call takes them all.
    features: S, most layers that spans have something added to. sections: positions of prompts turn by three numbers.
    hidden_positions: C, positions of a row per prefill call whose hidden states come back, 0 for none; each costs the
    last layer's share of the call, which is left out otherwise.
    prompt_logprobs: prompts may be scored, for which there are programs of their own: two more, so that those of other
    prompts go without the last layer and the scores of the vocabulary.
    pooling: what hidden states of prompts become; nothing is drawn then, and no program decodes. None where tokens are.
    adapter_buckets: numbers U of distinct adapters in one call that programs are compiled for, ascending; the last is
    how many the device holds. () for none, and programs that know nothing of them. adapter_rank: Q, their largest.
    deterministic: one shape of each program, so that no token ever depends on rounding. Prompts are cut at multiples of
    `chunk` always, or before what sees both ways, only what a prefill computed is reused, and nobody is admitted
    without all pages that it may need.
    """

    context: int
    pages: int
    page_tokens: int = 16
    row_buckets: tuple[int, ...] = (1, 4, 8, 16)
    prefill_shapes: tuple[Shape, ...] = SHAPES["cpu"]
    weight_tokens: int = WEIGHTS["cpu"]
    max_steps: int = 16
    block_seconds: float = 0.04
    read_behind: bool = True
    max_queue: int = 1024
    stall_seconds: float = 300
    grammar_cells: int = 3 << 23
    grammar_masks: int = 4096
    prompt_embeddings: bool = False
    both_ways: int = 0
    features: int = 0
    sections: bool = False
    hidden_positions: int = 0
    prompt_logprobs: bool = False
    pooling: PoolingConfig | None = None
    adapter_buckets: tuple[int, ...] = ()
    adapter_rank: int = 16
    deterministic: bool = False
    groups: int = 1

    def __post_init__(self) -> None:
        assert list(self.row_buckets) == sorted(set(self.row_buckets)) and self.row_buckets[0] >= 1
        tokens = [tokens for _, tokens in self.prefill_shapes]
        assert tokens == sorted(tokens) and self.prefill_shapes[0][0] == self.prefill_shapes[-1][0] == 1
        assert self.context <= self.pages * self.page_tokens
        assert list(self.adapter_buckets) == sorted(set(self.adapter_buckets)) and 0 not in self.adapter_buckets
        assert not self.deterministic or self.chunk % self.page_tokens == 0
        assert self.both_ways <= self.chunk

    @property
    def rows(self) -> int:
        """R, how many choices a group decodes at the same time."""
        return self.row_buckets[-1]

    @property
    def batches(self) -> tuple[int, ...]:
        """Batch sizes B of the decode programs, ascending; one where nothing decodes, so that no row ever moves."""
        return (self.rows,) if self.deterministic or self.pooling is not None else self.row_buckets

    @property
    def prefills(self) -> tuple[Shape, ...]:
        """(rows, tokens of each) of the prefill programs, ascending by tokens."""
        return self.prefill_shapes[:1] if self.deterministic else self.prefill_shapes

    @property
    def scorings(self) -> tuple[Shape, ...]:
        """(rows, tokens of each) of the programs that score a prompt while they prefill it, of one row each."""
        one_row = [shape for shape in self.prefills if shape[0] == 1]
        return tuple(dict.fromkeys((one_row[0], one_row[-1]))) if self.prompt_logprobs else ()

    @property
    def adapter_slots(self) -> int:
        """J, how many adapters the device holds at the same time."""
        return max(self.adapter_buckets, default=0)

    def distinct_adapters(self, rows: int) -> tuple[int, ...]:
        """U of the programs of so many rows a group, ascending: 0 for none, and as many as rows can differ in."""
        if self.deterministic:
            return (self.adapter_slots,)
        needed = next((b for b in self.adapter_buckets if b >= rows * self.groups), self.adapter_slots)
        return (0, *(b for b in self.adapter_buckets if b <= needed))

    @property
    def chunk(self) -> int:
        """Most prompt tokens of one row that a prefill call takes."""
        return self.prefills[-1][1]

    @property
    def max_prefill_rows(self) -> int:
        """Most rows that a prefill call takes."""
        return max(rows for rows, _ in self.prefills)

    @property
    def max_prefill_tokens(self) -> int:
        """Most tokens that a prefill call computes in all its rows, padding included."""
        return max(map(padded, self.prefills))

    @property
    def max_pages_per_row(self) -> int:
        """M, most pages of one row: those of a whole context."""
        return self.pages_for(self.context)

    def pages_for(self, positions: int) -> int:
        """How many pages hold `positions` positions."""
        return -(-positions // self.page_tokens)


def row_buckets(rows: int) -> tuple[int, ...]:
    """Batch sizes 1, 4, 8, 16, ... up to and including `rows`: from 4 on less than twice what is needed."""
    assert rows >= 1
    return (*(size for size in (1, *(2**i for i in range(2, 32))) if size < rows), rows)


def prefill_shapes(
    both_ways: int, page_tokens: int, deterministic: bool, usual: tuple[Shape, ...] = SHAPES["cpu"]
) -> tuple[Shape, ...]:
    """Of prefill programs, the last of which takes `both_ways` tokens; a deterministic engine has but one."""
    largest = (1, -(-both_ways // page_tokens) * page_tokens)
    if both_ways <= (usual[0] if deterministic else usual[-1])[1]:
        return usual
    return (largest,) if deterministic else (*usual, largest)


def bucket(buckets: tuple[int, ...], size: int) -> int:
    """The smallest of the ascending `buckets` that is at least `size`."""
    return next(b for b in buckets if b >= size)
