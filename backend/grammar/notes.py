"""What a grammar leaves out of the schemas it was made of."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from backend.grammar.errors import GrammarError


@dataclass(frozen=True)
class Notes:
    """Keywords that a grammar does not enforce, by JSON pointer, each behind what its schema is called.

    ignored: those without effect, such as a `format` that is not known. deferred: those that only a check of the
    finished output can hold, such as `uniqueItems` of strings.
    """

    ignored: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()


@dataclass(frozen=True)
class Notebook:
    """Collects notes while a schema is read.

    strict: whoever sent the schema wants all of it enforced, so a keyword that is not is refused. place: what the
    schema is called, before every pointer.
    """

    strict: bool = False
    place: str = ""
    _ignored: dict[str, None] = field(default_factory=dict)
    _deferred: dict[str, None] = field(default_factory=dict)

    def of(self, place: str, strict: bool) -> "Notebook":
        """One for another schema, whose notes come into this one."""
        return Notebook(strict, place, self._ignored, self._deferred)

    def ignore(self, pointer: str, why: str) -> None:
        """The keyword at `pointer` has no effect. Raises GrammarError with `why` where the schema is strict."""
        self._note(self._ignored, pointer, why)

    def defer(self, pointer: str, why: str) -> None:
        """The keyword at `pointer` is left to a check of the output. Raises GrammarError where the schema is strict."""
        self._note(self._deferred, pointer, why)

    def repeat(self, places: Iterable[tuple[str, str]]) -> None:
        """What is noted below the first of two pointers holds below the second, too."""
        pairs = [(f"{self.place}{first}/", f"{self.place}{second}/") for first, second in places]
        for notes in (self._ignored, self._deferred):
            new = list(notes)
            while new:
                repeated = [b + note[len(a) :] for note in new for a, b in pairs if note.startswith(a)]
                new = [note for note in dict.fromkeys(repeated) if note not in notes]
                notes.update(dict.fromkeys(new))

    def notes(self) -> Notes:
        """All notes, in the order in which they were first made."""
        return Notes(tuple(self._ignored), tuple(self._deferred))

    def _note(self, notes: dict[str, None], pointer: str, why: str) -> None:
        if self.strict:
            raise GrammarError(f"{why}, and strict is true", pointer)
        notes[self.place + pointer] = None


def behind(place: str, pointers: Iterable[str]) -> tuple[str, ...]:
    """Pointers of a schema that had no name, called `place`; those that have one already stay."""
    return tuple(place + pointer if pointer.startswith("#") else pointer for pointer in pointers)
