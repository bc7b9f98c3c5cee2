"""Parts of prompts as prefill programs take them: padded arrays, in rows of the groups that have their pages."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from backend.engine.config import EngineConfig
from backend.engine.prefill_shapes import Shape
from backend.engine.steps import PrefillInput
from backend.request import Span


class PrefillChunk(NamedTuple):
    """Tokens of one sequence from position `start` on, and the pages of the sequence up to their end at least.

    spans: those of the prompt. chosen: indices of `tokens` whose hidden states are wanted, the last by default. places:
    int32 [3, tokens], what rotary embeddings with sections turn by; None for the positions themselves.
    targets: the tokens behind each, where these are to be scored. adapter: the slot of its adapter, -1 for none.
    """

    tokens: Sequence[int]
    start: int
    pages: Sequence[int]
    spans: Sequence[Span] = ()
    chosen: Sequence[int] = (-1,)
    targets: Sequence[int] = ()
    adapter: int = -1
    places: np.ndarray | None = None


def own_pages(config: EngineConfig, pages: np.ndarray) -> np.ndarray:
    """Numbers of pages, each as its group counts them."""
    return pages if config.groups == 1 else pages % config.pages


def rows_of(config: EngineConfig, shape: Shape, chunks: Sequence[PrefillChunk]) -> dict[int, PrefillChunk]:
    """Row -> chunk, in a call of `shape` rows and tokens a group; in each group its chunks follow each other."""
    at: dict[int, PrefillChunk] = {}
    for chunk in chunks:
        first = chunk.pages[0] // config.pages * shape[0]
        at[next(row for row in range(first, first + shape[0]) if row not in at)] = chunk
    return at


def prefill_input(config: EngineConfig, embed: int, of_group: Shape, at: dict[int, PrefillChunk]) -> PrefillInput:
    """Chunks as padded numpy arrays. embed: D. of_group: rows and tokens of a group. at: row -> chunk."""
    shape = (config.groups * of_group[0], of_group[1])
    page_table = np.zeros((shape[0], config.max_pages_per_row), np.int32)
    tokens, starts = np.full(shape, -1, np.int32), np.zeros(shape[0], np.int32)
    chosen = np.zeros((shape[0], config.hidden_positions), np.int32)
    arrays: dict[str, Any] = {"page_table": page_table, "tokens": tokens, "starts": starts, "chosen": chosen}
    if config.prompt_embeddings:
        arrays["is_embedding"] = np.zeros(shape, bool)
        arrays["embeddings"] = np.zeros((*shape, embed), np.float32)
    if config.both_ways:
        arrays["together"] = np.full((2, *shape), -1, np.int32)
    if config.features:
        arrays["features"] = np.zeros((config.features, *shape, embed), np.float32)
    if config.sections:
        arrays["places"] = np.full((3, *shape), -1, np.int32)
    for row, chunk in at.items():
        size = len(chunk.tokens)
        page_table[row, : len(chunk.pages)] = own_pages(config, np.asarray(chunk.pages))
        if config.both_ways:
            arrays["together"][:, row, :size] = chunk.start + np.arange(size)
        if config.sections:
            own = np.tile(chunk.start + np.arange(size), (3, 1)) if chunk.places is None else chunk.places
            arrays["places"][:, row, :size] = own
        tokens[row, :size], starts[row] = chunk.tokens, chunk.start
        places = [place % size for place in chunk.chosen][: config.hidden_positions]
        chosen[row, : len(places)] = places
        for span in chunk.spans:
            first, last = max(span.start, chunk.start), min(span.start + span.length, chunk.start + size)
            if first < last:
                within = slice(first - chunk.start, last - chunk.start)
                arrays["is_embedding"][row, within] = True
                arrays["embeddings"][row, within] = span.embeddings[first - span.start : last - span.start]
                if span.features is not None:
                    part = span.features[:, first - span.start : last - span.start]
                    arrays["features"][: len(part), row, within] = part
                if span.both_ways:
                    arrays["together"][:, row, within] = np.array([[span.start], [span.start + span.length - 1]])
    return PrefillInput(**arrays)
