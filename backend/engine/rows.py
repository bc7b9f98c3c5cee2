"""Which sequence holds which row, and the pages of the groups that rows are in."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from backend.engine.config import EngineConfig, bucket
from backend.engine.kv_cache import KVCacheManager
from backend.engine.request_state import SequenceState
from backend.engine.rounds import to_prefill


class Rows:
    """The rows of all groups, numbered through them, and for each group a cache of its own.

    A sequence has its pages in the group of its row: what another group has of its prompt is of no use to it there.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config
        self._held: list[SequenceState | None] = [None] * (config.groups * config.rows)
        self.caches = tuple(KVCacheManager(config, group) for group in range(config.groups))

    def __contains__(self, sequence: object) -> bool:
        return sequence in self._held

    @property
    def all_held(self) -> bool:
        """Whether no row is free."""
        return None not in self._held

    def holders(self, group: int | None = None) -> list[SequenceState]:
        """Who holds a row, of a group or of all, the first to be served first."""
        held = self._held if group is None else self._of(group)
        return sorted((s for s in held if s is not None), key=lambda sequence: sequence.priority)

    def of_groups(self) -> list[list[SequenceState]]:
        """`holders` of each group."""
        return [self.holders(group) for group in range(self._config.groups)]

    def row(self, sequence: SequenceState) -> int:
        """The row that a sequence holds."""
        return self._held.index(sequence)

    def group(self, sequence: SequenceState) -> int:
        """The group of its row."""
        return self.row(sequence) // self._config.rows

    def cache(self, sequence: SequenceState) -> KVCacheManager:
        """That of its row's group."""
        return self.caches[self.group(sequence)]

    def free(self, group: int) -> int | None:
        """The first free row of a group, None where there is none."""
        held = self._of(group)
        return group * self._config.rows + held.index(None) if None in held else None

    def suited(self, sequence: SequenceState) -> list[int]:
        """The groups with a free row, the one first where the fewest tokens are computed before it can decode.

        Those are its own that are not in the group's cache, and all that others there lack. Of equals the one with the
        fewest of its own is first, then the one with the fewest rows held, then the one with the most pages to be had.
        """
        groups = [group for group in range(self._config.groups) if self.free(group) is not None]

        def order(group: int) -> tuple[int, int, int, int]:
            cache, holders = self.caches[group], self.holders(group)
            own = sequence.num_uncomputed - cache.num_reusable(sequence)
            if not sequence.num_output_tokens and any(holder.parent is sequence.parent for holder in holders):
                own = 0
            ahead = sum(holder.num_uncomputed for holder in to_prefill(holders))
            return own + ahead, own, len(holders), -cache.num_available

        return sorted(groups, key=order) if len(groups) > 1 else groups

    def seat(self, sequence: SequenceState, row: int) -> None:
        """A sequence holds a free row from now on."""
        assert self._held[row] is None
        self._held[row] = sequence

    def vacate(self, sequence: SequenceState) -> int:
        """Take its row from a sequence; gives which it was."""
        row = self.row(sequence)
        self._held[row] = None
        return row

    def compact(self) -> Iterator[tuple[int, int]]:
        """Have sequences hold lower rows where the batch then fits a smaller one; gives source and target of each move.

        Of every group as many rows are computed as the one with the most needs.
        """
        most = max(len(holders) for holders in self.of_groups())
        least = bucket(self._config.batches, max(most, 1))
        for group in range(self._config.groups):
            while bucket(self._config.batches, max(self._extent(group), 1)) > least:
                source, target = group * self._config.rows + self._extent(group) - 1, self.free(group)
                assert target is not None
                self._held[target], self._held[source] = self._held[source], None
                yield source, target

    def batch(self, chosen: Iterable[SequenceState]) -> tuple[dict[int, SequenceState], np.ndarray, np.ndarray]:
        """For a call that decodes: where `chosen` are in it, which rows are active, bool [B], their pages int32 [B, M].

        B: the same number of rows of every group, those of a group after those of the one before.
        """
        rows = {self.row(sequence): sequence for sequence in chosen}
        of_group = bucket(self._config.batches, max(row % self._config.rows for row in rows) + 1)
        size = self._config.groups * of_group
        at = {row // self._config.rows * of_group + row % self._config.rows: s for row, s in rows.items()}
        active, page_table = np.zeros(size, bool), np.zeros((size, self._config.max_pages_per_row), np.int32)
        for place, sequence in at.items():
            active[place], page_table[place, : len(sequence.pages)] = True, sequence.pages
        return at, active, page_table

    def fits(self, demand: Mapping[SequenceState, int]) -> bool:
        """Whether every group has pages for so many positions of sequences that hold rows."""
        missing = [0] * self._config.groups
        for sequence, positions in demand.items():
            missing[self.group(sequence)] += self.cache(sequence).missing(sequence, positions)
        return all(cache.can_allocate(pages) for cache, pages in zip(self.caches, missing, strict=True))

    def _of(self, group: int) -> list[SequenceState | None]:
        return self._held[group * self._config.rows : (group + 1) * self._config.rows]

    def _extent(self, group: int) -> int:
        """How many rows of a group there are up to the last one that is held."""
        return max((row + 1 for row, held in enumerate(self._of(group)) if held is not None), default=0)
