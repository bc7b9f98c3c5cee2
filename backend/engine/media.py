"""Pictures, sound and film of prompts: what stands for them, and the embeddings that fill it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from backend import host
from backend.engine.model_runner import ModelRunner
from backend.media import FilmInfo, Medium, Modality
from backend.models.media.interface import Encoded, MediaConfig, Run
from backend.request import Prompt, Span

CACHE_BYTES = 256 << 20
HELD_UNIT, LEAST_HELD = 1 << 20, 256
"""Bytes by which it is counted what requests hold of embeddings; of these they may always hold so many together."""


def most_held() -> int:
    """Units of embeddings that requests which run or wait may hold together: a quarter of the memory that is there."""
    return max(LEAST_HELD, host.available_memory() // 4 // HELD_UNIT)


def held(prompt: Prompt) -> int:
    """Units of embeddings that a prompt holds."""
    arrays = [array for span in prompt.spans for array in (span.embeddings, span.features) if array is not None]
    return -(-sum(array.nbytes for array in arrays) // HELD_UNIT)


class MediaEncoder:
    """What a model sees and hears with. May be asked by any thread; one medium is encoded at a time.

    modalities: those that it takes. film_sound: whether the sound of a film is wanted beside its frames. placeholders:
    the id of the token that the model's chat template writes for a medium of each modality. cache_bytes: of embeddings
    that are kept, by the keys of their media, those that were used last.
    """

    def __init__(self, runner: ModelRunner, config: MediaConfig, cache_bytes: int = CACHE_BYTES) -> None:
        self._runner, self._config = runner, config
        self.placeholders: Mapping[Modality, int] = config.placeholders
        self.modalities: frozenset[Modality] = frozenset(self.placeholders)
        self.film_sound = config.film_sound
        self._kept: OrderedDict[str, Encoded] = OrderedDict()
        self._room = cache_bytes
        self._table, self._turn = threading.Lock(), threading.Lock()

    def choose_frames(self, film: FilmInfo) -> Sequence[int]:
        """The frames of a film that the model is shown: at least one, ascending, within `film.times`."""
        return [int(frame) for frame in self._config.choose_frames(film)]

    def find(self, key: str) -> Encoded | None:
        """What is kept of the medium with this key; never waits for one that is being encoded."""
        with self._table:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def written(self, medium: Medium | Encoded) -> tuple[str | int, ...]:
        """What stands for a medium in the prompt, in place of its placeholder: text, and ids of control tokens.

        Raises ValueError for a medium that the model cannot take, such as one too small.
        """
        parts: list[str | int] = []
        for part in medium.written if isinstance(medium, Encoded) else self._config.written(medium):
            parts += [part.token] * part.length if isinstance(part, Run) else [part]
        return tuple(parts)

    def encode(self, medium: Medium, unwanted: Callable[[], bool] = lambda: False) -> Encoded | None:
        """What the model makes of a medium that can be `written`; None where it became `unwanted` meanwhile."""
        with self._turn:
            found = self.find(medium.key)
            if found is not None:
                return found
            rows = []
            for call in self._config.calls(medium):
                if unwanted():
                    return None
                rows.append(self._runner.embed(call))
        embeddings = np.stack(np.split(np.concatenate(rows), 1 + self._config.features, axis=-1))
        made = Encoded(medium.key, self._config.written(medium), embeddings)
        self._keep(made)
        return made

    def prompt(self, tokens: Sequence[int], media: Sequence[Encoded]) -> Prompt:
        """The prompt of token ids in which what is `written` of each medium stands, in order.

        Raises ValueError where it does not stand there.
        """
        spans: list[Span] = []
        runs: list[Run] = []
        at = 0
        for medium in media:
            start = 0
            for i, run in enumerate(part for part in medium.written if isinstance(part, Run)):
                at = _find(tokens, run, at)
                part, *features = medium.embeddings[:, start : start + run.length]
                added = np.stack(features) if features else None
                spans.append(Span(at, run.length, (medium.key, i), part, run.both_ways, added))
                runs.append(run)
                at, start = at + run.length, start + run.length
        return Prompt(tuple(tokens), tuple(spans), _places(len(tokens), spans, runs))

    def _keep(self, made: Encoded) -> None:
        with self._table:
            if made.key not in self._kept:
                self._kept[made.key] = made
                self._room -= made.embeddings.nbytes
            while self._room < 0:
                _, dropped = self._kept.popitem(last=False)
                self._room += dropped.embeddings.nbytes


def _find(tokens: Sequence[int], run: Run, start: int) -> int:
    """Where the run begins, at or behind `start`."""
    at = start
    while at < len(tokens) and tokens[at] != run.token:
        at += 1
    if any(token != run.token for token in tokens[at : at + run.length]) or at + run.length > len(tokens):
        raise ValueError(f"the prompt lacks the {run.length} tokens {run.token} that stand for a medium")
    return at


def _places(length: int, spans: Sequence[Span], runs: Sequence[Run]) -> np.ndarray | None:
    """int32 [3, length], by which positions turn: text by one number that grows, a grid by its rows and columns.

    What follows a grid turns by one more than the largest of it. None where no run is a grid.
    """
    if not any(run.grid for run in runs):
        return None
    places, at, next_place = np.empty((3, length), np.int32), 0, 0
    for span, run in zip(spans, runs, strict=True):
        if run.grid is not None:
            places[:, at : span.start] = next_place + np.arange(span.start - at)
            next_place += span.start - at
            rows, columns = np.divmod(np.arange(run.length), run.grid[1])
            at = span.start + run.length
            places[:, span.start : at] = next_place + np.stack([np.zeros(run.length, np.int32), rows, columns])
            next_place += max(run.grid)
    places[:, at:] = next_place + np.arange(length - at)
    return places
