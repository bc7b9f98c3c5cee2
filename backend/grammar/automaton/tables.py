"""The compiled grammar: a deterministic visibly pushdown automaton over bytes, with registers, as integer arrays.

Registers: `characters` counts those of a string or digits of a number; `items` counts the separators of the container
that is being written, and stands on the stack while one inside is; `layout` says how JSON is laid out, see below.

Transitions are codes, `kind << 27 | argument`, or DEAD:
NEXT state.
PUSH frame: an opening bracket; the frame and `items` go on the stack, `items` is 0, and the frame says by the layout
which state is next. OPEN becomes FLAT.
POP reason: a closing bracket; the frame leaves the stack and says which state follows for this reason.
FLAT_POP reason: the same, only where the layout is not indented.
RESET state: `characters` is 0.
COUNT counter: `characters` is one more; `same` is the next state, or `reached` at the limit.
SEPARATE separator: `items` is one more (unless the limit is negative: a separator that does not count); the layout says
which state is next, of other states where `items` became the limit. FLAT becomes COMPACT.
INDENT indentation: only where the layout is indented. `characters` is 0 or one more, and `reached` is the next state
where it is the indentation at this depth of the stack, of the closing bracket if `closing`; else `same`.
LOOSEN state: the layout is the next one.

Layouts: OPEN, nothing is decided; COMPACT, `{"a":1,"b":2}`; SPACED, `{"a": 1, "b": 2}`; FLAT, one of these two, which
the first separator decides (COMPACT, unless a space loosens it to SPACED); INDENTED + n, every item on its own line
behind n spaces for each container around it. A line break in the outermost container loosens FLAT to INDENTED, and each
space behind it widens that.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import safetensors.numpy

from backend.grammar.notes import Notes

NEXT, PUSH, POP, RESET, COUNT, FLAT_POP, SEPARATE, INDENT, LOOSEN = range(9)
OPEN, COMPACT, SPACED, FLAT, INDENTED = range(5)
MAX_STEP = 8
"""Spaces by which one container is indented more than the one around it."""
WIDEST = INDENTED + MAX_STEP
DEAD = -1
SHIFT = 27
ARGUMENT = (1 << SHIFT) - 1

ACCEPTING, FINISHED, IN_REASONING = 1, 2, 4
CLOSING_DEPTH_SHIFT = 8
CLOSING, RESETS = 1, 2
HEADER = 257
META = 3
"""Cells of a state's record before its codes."""
FRAME = 5
"""Cells of a frame's record before its returns."""
INDENTATION = -1
"""The limit of a state within the indentation of an item; one less within that of a closing bracket."""


@dataclass(frozen=True)
class AutomatonTables:
    """A compiled grammar as numpy arrays, int32 but where noted. Its sizes are states, classes (of bytes that no state
    tells apart), frames (what a push may put on the stack), reasons (why a container may end), counters, separators and
    indentations.

    classes: uint8 [256], the class of each byte. transitions: [states, classes], codes. start, layout: the first state
    and layout.
    accepting: bool [states], the output is complete. finished: bool [states], and nothing can follow.
    in_reasoning: bool [states], what is being written is reasoning.
    min_closing_depth: [states], how much deeper the stack must still get before the current container can end.
    limits: [states], the count of characters that the state watches for, 0 for none, INDENTATION or one less.
    watches: [states], the least count of items that matters to what follows in the container, 0 for none.
    frame_start: [frames, 3], states after the push: where the layout is open, flat, indented. push_min_closing_depth:
    [frames], the min_closing_depth of a state before the push if it is taken. frame_watches: [frames], the least of
    `watches` after the pop.
    returns: [frames, reasons], state after the pop or DEAD. counters: [counters, 3], limit, same, reached.
    separators: [separators, 9], limit, the states if the layout is compact, spaced, flat, indented, and the same at the
    limit. indentations: [indentations, 3], flags (CLOSING, RESETS), same, reached.
    notes: what of the constraint is not enforced.
    """

    start: int
    layout: int
    classes: np.ndarray
    transitions: np.ndarray
    accepting: np.ndarray
    finished: np.ndarray
    in_reasoning: np.ndarray
    min_closing_depth: np.ndarray
    limits: np.ndarray
    watches: np.ndarray
    frame_start: np.ndarray
    push_min_closing_depth: np.ndarray
    frame_watches: np.ndarray
    returns: np.ndarray
    counters: np.ndarray
    separators: np.ndarray
    indentations: np.ndarray
    notes: Notes = field(default_factory=Notes)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    @property
    def image_size(self) -> int:
        """int32 cells that the image takes on the device."""
        (states, classes), (frames, reasons) = self.transitions.shape, self.returns.shape
        records = sum(getattr(self, name).size for name in _RECORDS.values())
        return HEADER + states * (META + classes) + frames * (FRAME + reasons) + records

    def state_at(self, base: int, state: int) -> int:
        """The cell at which the record of `state` begins in an image that begins at cell `base`."""
        return self._state_pointers(base, np.asarray([state])).item()

    def frames_at(self, base: int, frames: Sequence[int] | np.ndarray) -> np.ndarray:
        """int32 [...], the cells at which the records of `frames` begin in an image that begins at cell `base`."""
        first = base + HEADER + self.transitions.shape[0] * (META + self.transitions.shape[1])
        return first + np.asarray(frames, np.int32) * (FRAME + self.returns.shape[1])

    def image(self, base: int) -> np.ndarray:
        """int32 [image_size], to be put at cell `base` of a larger array; every pointer is an index into that array.

        Cell 0: the largest min_closing_depth. Then 256 cells: the place of each byte's code within a state's record.
        Then the records of the states (accepting, finished, in_reasoning and min_closing_depth as bits; limit; watch;
        codes), the frames (push_min_closing_depth; watch; starts; returns), the counters (limit; same; reached),
        separators (limit; states) and indentations (flags; same; reached).
        """
        at = self.frames_at(base, [len(self.frame_start)]).item()
        kinds, arguments = self.transitions >> SHIFT, self.transitions & ARGUMENT
        moved = self._state_pointers(base, arguments)
        moved = np.where((kinds == POP) | (kinds == FLAT_POP), arguments, moved)
        moved = np.where(kinds == PUSH, self.frames_at(base, arguments), moved)
        records = []
        for kind, name in _RECORDS.items():
            of_kind = getattr(self, name)
            moved = np.where(kinds == kind, at + of_kind.shape[1] * arguments, moved)
            records.append(np.column_stack([of_kind[:, :1], self._state_pointers(base, of_kind[:, 1:])]))
            at += of_kind.size
        codes = np.where(self.transitions == DEAD, DEAD, kinds << SHIFT | moved)
        states = np.column_stack([self._meta(), self.limits, self.watches, codes])
        pointers = [self._state_pointers(base, self.frame_start), self._state_pointers(base, self.returns)]
        frames = np.column_stack([self.push_min_closing_depth, self.frame_watches, *pointers])
        header = np.concatenate([[self.min_closing_depth.max(initial=0)], META + self.classes.astype(np.int32)])
        return np.concatenate([part.ravel() for part in (header, states, frames, *records)]).astype(np.int32)

    def _meta(self) -> np.ndarray:
        flags = self.accepting * ACCEPTING + self.finished * FINISHED + self.in_reasoning * IN_REASONING
        return flags + (self.min_closing_depth << CLOSING_DEPTH_SHIFT)

    def _state_pointers(self, base: int, states: np.ndarray) -> np.ndarray:
        return np.where(states < 0, DEAD, base + HEADER + states * (META + self.transitions.shape[1]))

    def to_bytes(self) -> bytes:
        """The arrays as a safetensors file, after four bytes of its CRC-32."""
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        arrays["start"] = np.asarray([self.start, self.layout], np.int32)
        body = safetensors.numpy.save(arrays, {"notes": json.dumps(asdict(self.notes))})
        return zlib.crc32(body).to_bytes(4, "little") + body

    @staticmethod
    def from_bytes(data: bytes) -> "AutomatonTables":
        """The tables of which `to_bytes` made `data`. Raises ValueError for anything else."""
        _ensure(zlib.crc32(data[4:]).to_bytes(4, "little") == data[:4], "checksum")
        try:
            arrays = safetensors.numpy.load(data[4:])
            start, layout = arrays["start"].tolist()
            notes = _read_notes(data[4:])
            tables = AutomatonTables(start, layout, notes=notes, **{name: arrays[name] for name in _ARRAYS})
        except Exception as error:
            raise ValueError(f"not the tables of a grammar: {error}") from error
        tables.check()
        return tables

    def check(self) -> None:
        """Raises ValueError unless every shape fits and every index is within its range."""
        states, classes = _shape(self.transitions, 2)
        frames, reasons = _shape(self.returns, 2)
        records = {name: _shape(getattr(self, name), 2)[0] for name in _RECORDS.values()}
        sizes = {
            "classes": (256,),
            "frame_start": (frames, 3),
            "counters": (records["counters"], 3),
            "separators": (records["separators"], 9),
            "indentations": (records["indentations"], 3),
        }
        of_states = ("accepting", "finished", "in_reasoning", "min_closing_depth", "limits", "watches")
        sizes |= dict.fromkeys(of_states, (states,))
        sizes |= dict.fromkeys(("push_min_closing_depth", "frame_watches"), (frames,))
        _ensure(all(getattr(self, name).shape == size for name, size in sizes.items()), "shapes")
        _ensure(all(getattr(self, name).dtype == _DTYPES.get(name, np.int32) for name in _ARRAYS), "types")
        _ensure(OPEN <= self.layout <= WIDEST, "layout")
        _ensure(0 <= self.start < states and int(self.classes.max()) < classes, "start and classes")
        kinds, arguments = self.transitions >> SHIFT, self.transitions & ARGUMENT
        bounds = np.full(LOOSEN + 1, states)
        bounds[[PUSH, POP, FLAT_POP]] = frames, reasons, reasons
        bounds[list(_RECORDS)] = list(records.values())
        live = self.transitions != DEAD
        _ensure(bool(((kinds[live] >= NEXT) & (kinds[live] <= LOOSEN)).all()), "kinds")
        _ensure(bool((arguments[live] < bounds[kinds[live]]).all()), "arguments")
        pointers = [self.frame_start, self.returns, *(getattr(self, name)[:, 1:] for name in _RECORDS.values())]
        _ensure(all(bool(((p >= DEAD) & (p < states)).all()) for p in pointers), "pointers")
        small = [self.min_closing_depth, self.push_min_closing_depth]
        _ensure(all(bool(((x >= 0) & (x < 256)).all()) for x in small), "closing depths")


_RECORDS = {COUNT: "counters", SEPARATE: "separators", INDENT: "indentations"}
"""Kinds whose argument is a record, a number and states; in the order of the image."""
_ARRAYS = tuple(one.name for one in fields(AutomatonTables) if one.type is np.ndarray)
_DTYPES = {"classes": np.uint8, "accepting": np.bool_, "finished": np.bool_, "in_reasoning": np.bool_}


def _read_notes(file: bytes) -> Notes:
    size = int.from_bytes(file[:8], "little")
    notes = json.loads(json.loads(file[8 : 8 + size])["__metadata__"]["notes"])
    return Notes(**{name: tuple(pointers) for name, pointers in notes.items()})


def _shape(array: np.ndarray, dimensions: int) -> tuple[int, ...]:
    _ensure(array.ndim == dimensions, "dimensions")
    return array.shape


def _ensure(good: bool, what: str) -> None:
    if not good:
        raise ValueError(f"not the tables of a grammar: wrong {what}")
