"""The compiled grammar: a deterministic visibly pushdown automaton over bytes, with a counter, as integer arrays.

Transitions are codes, `kind << 28 | argument`, or DEAD:
NEXT state; PUSH frame (an opening bracket: the frame goes on the stack, its start is the next state); POP reason
(a closing bracket: the frame leaves the stack and says which state follows for this reason); RESET state (the count of
characters starts at 0); COUNT counter (one character more; `same` is the next state, or `reached` at the limit).
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import safetensors.numpy

from backend.grammar.notes import Notes

NEXT, PUSH, POP, RESET, COUNT = range(5)
DEAD = -1
SHIFT = 28
ARGUMENT = (1 << SHIFT) - 1

ACCEPTING, FINISHED, IN_REASONING = 1, 2, 4
CLOSING_DEPTH_SHIFT = 8
HEADER = 257


@dataclass(frozen=True)
class AutomatonTables:
    """A compiled grammar as numpy arrays, int32 but where noted. Its sizes are states, classes (of bytes that no state
    tells apart), frames (what a push may put on the stack), reasons (why a container may end) and counters.

    classes: uint8 [256], the class of each byte. transitions: [states, classes], codes. start: the first state.
    accepting: bool [states], the output is complete. finished: bool [states], and nothing can follow.
    in_reasoning: bool [states], what is being written is reasoning.
    min_closing_depth: [states], how much deeper the stack must still get before the current container can end.
    limits: [states], the count of characters that the state watches for, 0 for none.
    frame_start: [frames], state after the push. push_min_closing_depth: [frames], the min_closing_depth of a state
    before the push if it is taken.
    returns: [frames, reasons], state after the pop or DEAD. counters: [counters, 3], limit, same, reached.
    notes: what of the constraint is not enforced.
    """

    start: int
    classes: np.ndarray
    transitions: np.ndarray
    accepting: np.ndarray
    finished: np.ndarray
    in_reasoning: np.ndarray
    min_closing_depth: np.ndarray
    limits: np.ndarray
    frame_start: np.ndarray
    push_min_closing_depth: np.ndarray
    returns: np.ndarray
    counters: np.ndarray
    notes: Notes = field(default_factory=Notes)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(getattr(self, name).nbytes for name in _ARRAYS)

    @property
    def image_size(self) -> int:
        """int32 cells that the image takes on the device."""
        (states, classes), (frames, reasons) = self.transitions.shape, self.returns.shape
        return HEADER + states * (2 + classes) + frames * (2 + reasons) + 3 * len(self.counters)

    def state_at(self, base: int, state: int) -> int:
        """The cell at which the record of `state` begins in an image that begins at cell `base`."""
        return self._state_pointers(base, np.asarray([state])).item()

    def frames_at(self, base: int, frames: Sequence[int] | np.ndarray) -> np.ndarray:
        """int32 [...], the cells at which the records of `frames` begin in an image that begins at cell `base`."""
        first = base + HEADER + self.transitions.shape[0] * (2 + self.transitions.shape[1])
        return first + np.asarray(frames, np.int32) * (2 + self.returns.shape[1])

    def image(self, base: int) -> np.ndarray:
        """int32 [image_size], to be put at cell `base` of a larger array; every pointer is an index into that array.

        Cell 0: the largest min_closing_depth. Then 256 cells: the place of each byte's code within a state's record.
        Then the records of the states (accepting, finished, in_reasoning and min_closing_depth as bits; limit; codes),
        the frames (start; push_min_closing_depth; returns) and the counters (limit; same; reached).
        """
        counters_at = self.frames_at(base, [len(self.frame_start)]).item()
        kinds, arguments = self.transitions >> SHIFT, self.transitions & ARGUMENT
        moved = np.select(
            [kinds == PUSH, kinds == POP, kinds == COUNT],
            [self.frames_at(base, arguments), arguments, counters_at + 3 * arguments],
            self._state_pointers(base, arguments),
        )
        codes = np.where(self.transitions == DEAD, DEAD, kinds << SHIFT | moved)
        states = np.concatenate([self._meta()[:, None], self.limits[:, None], codes], axis=1)
        starts = self._state_pointers(base, self.frame_start)
        frames = np.column_stack([starts, self.push_min_closing_depth, self._state_pointers(base, self.returns)])
        counters = np.column_stack([self.counters[:, :1], self._state_pointers(base, self.counters[:, 1:])])
        header = np.concatenate([[self.min_closing_depth.max(initial=0)], 2 + self.classes.astype(np.int32)])
        return np.concatenate([header, states.ravel(), frames.ravel(), counters.ravel()]).astype(np.int32)

    def _meta(self) -> np.ndarray:
        flags = self.accepting * ACCEPTING + self.finished * FINISHED + self.in_reasoning * IN_REASONING
        return flags + (self.min_closing_depth << CLOSING_DEPTH_SHIFT)

    def _state_pointers(self, base: int, states: np.ndarray) -> np.ndarray:
        return np.where(states < 0, DEAD, base + HEADER + states * (2 + self.transitions.shape[1]))

    def to_bytes(self) -> bytes:
        """The arrays as a safetensors file, after four bytes of its CRC-32."""
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        arrays["start"] = np.asarray([self.start], np.int32)
        body = safetensors.numpy.save(arrays, {"notes": json.dumps(asdict(self.notes))})
        return zlib.crc32(body).to_bytes(4, "little") + body

    @staticmethod
    def from_bytes(data: bytes) -> "AutomatonTables":
        """The tables of which `to_bytes` made `data`. Raises ValueError for anything else."""
        _ensure(zlib.crc32(data[4:]).to_bytes(4, "little") == data[:4], "checksum")
        try:
            arrays = safetensors.numpy.load(data[4:])
            notes = _read_notes(data[4:])
            tables = AutomatonTables(arrays["start"].item(), notes=notes, **{name: arrays[name] for name in _ARRAYS})
        except Exception as error:
            raise ValueError(f"not the tables of a grammar: {error}") from error
        tables.check()
        return tables

    def check(self) -> None:
        """Raises ValueError unless every shape fits and every index is within its range."""
        states, classes = _shape(self.transitions, 2)
        frames, reasons = _shape(self.returns, 2)
        counters = _shape(self.counters, 2)[0]
        sizes = {
            "classes": (256,),
            "frame_start": (frames,),
            "push_min_closing_depth": (frames,),
            "counters": (counters, 3),
        }
        sizes |= dict.fromkeys(("accepting", "finished", "in_reasoning", "min_closing_depth", "limits"), (states,))
        _ensure(all(getattr(self, name).shape == size for name, size in sizes.items()), "shapes")
        _ensure(all(getattr(self, name).dtype == _DTYPES.get(name, np.int32) for name in _ARRAYS), "types")
        _ensure(0 <= self.start < states and int(self.classes.max()) < classes, "start and classes")
        kinds, arguments = self.transitions >> SHIFT, self.transitions & ARGUMENT
        bounds = np.asarray([states, frames, reasons, states, counters])
        live = self.transitions != DEAD
        _ensure(bool(((kinds[live] >= NEXT) & (kinds[live] <= COUNT)).all()), "kinds")
        _ensure(bool((arguments[live] < bounds[kinds[live]]).all()), "arguments")
        pointers = [self.frame_start, self.counters[:, 1:], self.returns[self.returns != DEAD]]
        _ensure(all(bool(((p >= 0) & (p < states)).all()) for p in pointers), "pointers")
        small = [self.min_closing_depth, self.push_min_closing_depth]
        _ensure(all(bool(((x >= 0) & (x < 256)).all()) for x in small), "closing depths")


_ARRAYS = tuple(one.name for one in fields(AutomatonTables) if one.name not in ("start", "notes"))
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
