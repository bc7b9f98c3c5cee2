"""Who has a row: sequences wait in line for one, get it where there are pages for them, and give it back."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator

from backend.engine.adapter_slots import AdapterSlots
from backend.engine.config import EngineConfig
from backend.engine.request_state import SequenceState
from backend.engine.rows import Rows
from backend.engine.stats import Totals
from backend.engine.waiting import WaitingLine


class Seating:
    """Rows go to clients in turn (`WaitingLine`), in the group of rows that suits best (`Rows.suited`).

    Who had its row earlier takes pages from who had its last in the same group when there are no others; that one waits
    and is computed again, from its prompt and what it has drawn. So the first always goes on, and in the end everyone
    is the first.

    rows, waiting: who holds a row, and who has none yet. adapters: which are on the device. ticks: ascending numbers,
    the moments at which turns are. release_grammar: called with the key of the grammar of who decodes no longer.
    """

    def __init__(
        self,
        config: EngineConfig,
        adapters: AdapterSlots,
        totals: Totals,
        release_grammar: Callable[[Hashable], None],
        ticks: Iterator[int],
    ) -> None:
        self._config, self._adapters, self._totals = config, adapters, totals
        self._release_grammar = release_grammar
        self.rows, self.waiting = Rows(config), WaitingLine(ticks)

    def admit(self) -> bool:
        """Give rows to those who wait, in order; nobody overtakes who does not fit. Whether anybody got one."""
        admitted = False
        while not self.rows.all_held or any(not holder.parent.compiled for holder in self.rows.holders()):
            following = self._next()
            if following is None or not self._place(following):
                break
            admitted = True
        return admitted

    def held(self, leaving: SequenceState | None = None) -> Counter[str | None]:
        """The rows of each client, without the one of who is `leaving`."""
        return Counter(s.request.client for s in self.rows.holders() if s is not leaving)

    def hand_on(self, ended: SequenceState) -> tuple[SequenceState, list[int]] | None:
        """Free what a sequence holds that has ended; a sibling that is next in line takes its row and its prompt.

        Gives the sibling and the pages that its prompt is in, where the last of them is to be copied: nothing is
        computed between their release and this, so that they hold what they did.
        """
        row, cache, heir = self.rows.row(ended), self.rows.cache(ended), self._next(leaving=ended)
        if heir is None or heir.parent is not ended.parent or not ended.has_prompt or heir.num_output_tokens:
            self.vacate(ended)
            return None
        prompt_pages = ended.pages[: self._config.pages_for(heir.num_prompt - 1)]
        cache.share_prompt(heir, ended)
        self.vacate(ended)
        self._seat(heir, row)
        positions = heir.max_positions if self._config.deterministic else heir.num_prompt - 1
        return (heir, prompt_pages) if cache.allocate(heir, positions) else None

    def vacate(self, sequence: SequenceState) -> None:
        """Take row, pages and grammar from a sequence."""
        self.rows.cache(sequence).release(sequence)
        self.rows.vacate(sequence)
        grammar = sequence.request.grammar
        if grammar is not None and sequence.decoding:
            self._release_grammar(grammar.key)
        sequence.decoding = False

    def allocate(self, sequence: SequenceState, positions: int) -> bool:
        """Pages for so many positions, from those of its group who come after the sequence if need be.

        False: there are none now. What those have drawn whose pages are taken must have been read.
        """
        while sequence in self.rows and not self.rows.cache(sequence).allocate(sequence, positions):
            others = reversed(self.rows.holders(self.rows.group(sequence)))
            last = next(holder for holder in others if holder.pages or holder is sequence)
            if last is not sequence or sequence.decoding:
                self._preempt(last)
            if last is sequence:
                return False
        return sequence in self.rows

    def _next(self, leaving: SequenceState | None = None) -> SequenceState | None:
        """Who has the next row, once `leaving` has left its own; None where nobody who waits may have one."""
        return self.waiting.next(self.held(leaving), self._adapters.admits)

    def _seat(self, sequence: SequenceState, row: int) -> None:
        """Who waited has a row from now on."""
        self.waiting.take(sequence)
        self.rows.seat(sequence, row)
        self._adapters.used(sequence.parent.adapter)

    def _place(self, sequence: SequenceState) -> bool:
        """Give the sequence a row if it fits, also that of one whose grammar is not there yet."""
        while (group := next((g for g in self.rows.suited(sequence) if self._fits(sequence, g)), None)) is None:
            idle = [holder for holder in self.rows.holders() if not holder.parent.compiled]
            if not idle or not sequence.parent.compiled:
                return False
            self._preempt(idle[-1])
        row = self.rows.free(group)
        assert row is not None
        self._seat(sequence, row)
        if self._config.deterministic:
            self.rows.cache(sequence).allocate(sequence, sequence.max_positions)
        return True

    def _fits(self, sequence: SequenceState, group: int) -> bool:
        """Whether a group has pages for all its tokens, and one for each who decodes; it gets those that are known."""
        cache, holders = self.rows.caches[group], self.rows.holders(group)
        if self._config.deterministic:
            return cache.can_allocate(self._config.pages_for(sequence.max_positions))
        decoding = sum(holder.decoding for holder in holders)
        if any(holder.parent is sequence.parent for holder in holders) and not sequence.num_output_tokens:
            return cache.can_allocate(2 + decoding)
        cache.match_prefix(sequence)
        if cache.can_allocate(cache.missing(sequence, len(sequence.tokens)) + decoding):
            return True
        cache.release(sequence)
        return False

    def _preempt(self, sequence: SequenceState) -> None:
        """Let a sequence wait again."""
        self._totals.preemptions += sequence.decoding
        self.vacate(sequence)
        self.waiting.add([sequence])
