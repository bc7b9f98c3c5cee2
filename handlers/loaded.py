"""A model that is loaded, as the HTTP side knows it: what it is made of, and what that can be asked."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from backend import (
    Admission,
    Encoded,
    EngineStats,
    FilmInfo,
    Medium,
    Modality,
    PoolingConfig,
    Prompt,
    PromptLogprobs,
    Request,
    TokenEvent,
)
from backend.grammar import Constraint, Grammar, Marker
from handlers.formats.syntax import Format
from handlers.media.reader import MediaReader
from handlers.text.shown_media import ShownMedium
from handlers.text.template import Ending, FieldPlace


class Generation(Protocol):
    """The token events of one request, in the order they were drawn; ends when every choice has finished.

    Iterating may raise backend.RequestFailed or backend.EngineFailed.
    """

    @property
    def admission(self) -> Admission | None:
        """How the request got into the batch; None before that, set before the first event."""
        ...

    @property
    def prompt_logprobs(self) -> PromptLogprobs | None:
        """Those of the prompt's tokens, where they were asked for; None before the first event."""
        ...

    @property
    def pooled(self) -> np.ndarray | None:
        """What the prompt was pooled to, float32, where that was asked for; None before the end."""
        ...

    def __aiter__(self) -> AsyncIterator[TokenEvent]: ...

    def cancel(self, choice: int) -> None:
        """Ends one choice: no further events of it come."""
        ...

    async def aclose(self) -> None:
        """Ends all choices and frees their rows. May be called more than once."""
        ...


class Engine(Protocol):
    """Draws tokens.

    context_length: positions, prompt included. max_choices: largest `n` of one request, however many rows there are.
    max_choices_together: of several requests that one client, which has no others, makes at once.
    failure: why it can never draw again, None while it can. constraint_unsupported_reason: why no grammar can be
    enforced with this model, None where it can.
    """

    context_length: int
    vocab_size: int
    max_choices: int
    max_choices_together: int
    failure: str | None
    constraint_unsupported_reason: str | None

    @property
    def adapter_names(self) -> tuple[str, ...]:
        """The adapters that requests may name."""
        ...

    def load_adapter(self, name: str, folder: Path) -> None:
        """Lets requests name an adapter; raises ValueError that says all that is wrong, backend.AdapterExists."""
        ...

    def unload_adapter(self, name: str) -> None:
        """Lets no more requests name an adapter; raises backend.UnknownAdapter."""
        ...

    def submit(self, request: Request) -> Generation:
        """Queues a request; raises backend.QueueFull, backend.UnknownAdapter or backend.EngineFailed."""
        ...

    def allows(self, request: Request) -> bool:
        """Whether the request's grammar, which is compiled, allows what is written already."""
        ...

    def stats(self) -> EngineStats:
        """Its figures now; may be asked by any thread."""
        ...

    def close(self) -> None: ...


class Compiler(Protocol):
    """Makes grammars."""

    def compile(self, constraint: Constraint, client: str | None = None) -> Grammar:
        """At once; its tables follow, or fail with GrammarError. Raises backend.grammar.CompilerBusy.

        client: to whose share of the compilers it counts, None for nobody's.
        """
        ...

    def close(self) -> None: ...


class IncrementalDetokenizer(Protocol):
    """The text of one choice, token by token. read: characters so far, those held back included."""

    read: int

    @property
    def stopped_by(self) -> str | None:
        """The stop string that was found, "" for stop tokens, None for neither; the text ended before it."""
        ...

    def feed(self, token: int) -> str:
        """Text that is now certain; never part of a character, of a stop string or of a sequence of stop tokens."""
        ...

    def finish(self) -> str:
        """The rest of the text, after the choice's last token."""
        ...


class TextTokenizer(Protocol):
    """Texts to token ids and back. longest_token: bytes of the longest token."""

    vocab_size: int
    longest_token: int

    def exceeds(self, texts: Iterable[str], tokens: int) -> bool:
        """Whether texts are certainly more tokens than that; they are read no further than it takes to know."""
        ...

    def encode_text(self, text: str, *, begins: bool = True) -> list[int]:
        """The ids of a text. begins: it is a whole one, with what the model's tokenizer adds to such."""
        ...

    def decode_tail(self, prompt: Sequence[int], tokens: int) -> str:
        """The text of the last tokens of a prompt, special ones included."""
        ...


class ChatTokenizer(TextTokenizer, Protocol):
    """Messages to token ids and back. end_tokens: the model's own."""

    end_tokens: tuple[int, ...]

    def encode_chat(
        self,
        messages: list[dict[str, Any]],
        *,
        tools: list[dict[str, Any]] | None,
        template_kwargs: dict[str, Any],
        reasoning_effort: str | None,
        ending: Ending = "answer",
        media: Sequence[ShownMedium] = (),
    ) -> list[int]:
        """The prompt; raises handlers.text.template.PromptError where the model's template refuses the messages."""
        ...

    def template_knows(self, name: str) -> bool:
        """Whether the model's template reads the variable `name`."""
        ...

    def effort_variables(self, level: str) -> dict[str, Any]:
        """The variables of the model's template that set a level of reasoning effort; {} where it knows none."""
        ...

    def template_shows(self, place: FieldPlace, name: str) -> bool:
        """Whether a text in a field changes the prompt.

        place: the role of the messages that have the field, or "function" for the definitions of tools.
        """
        ...

    def detokenizer(
        self,
        prompt: Sequence[int],
        stop: Sequence[str],
        markers: Sequence[str] = (),
        min_tokens: int = 0,
        stop_tokens: Sequence[Sequence[int]] = (),
    ) -> IncrementalDetokenizer:
        """stop, stop_tokens: texts and sequences of tokens that end the text before them. markers: texts in which
        special tokens are shown. min_tokens: of the choice, before one of the former counts.
        """
        ...

    def spell(self, text: str) -> Marker:
        """A text with the model's control tokens told apart."""
        ...

    def marker_tokens(self, marker: str) -> tuple[int, ...]:
        """Tokens that write this very text; raises ValueError where there are none."""
        ...

    def token_bytes(self, token: int) -> bytes | None:
        """None for tokens without text of their own, such as end tokens."""
        ...

    def token_text(self, token: int) -> str: ...


class MediaEncoder(Protocol):
    """What a model sees and hears with. May be asked by any thread.

    modalities: those that it takes, at least one. film_sound: whether the sound of a film is wanted beside its frames.
    placeholders: the id of the token that the model's chat template writes for a medium of each modality.
    """

    modalities: frozenset[Modality]
    film_sound: bool
    placeholders: Mapping[Modality, int]

    def choose_frames(self, film: FilmInfo) -> Sequence[int]:
        """The frames of a film that the model is shown: at least one, ascending, within `film.times`."""
        ...

    def find(self, key: str) -> Encoded | None:
        """What is kept of the medium with this key, at once."""
        ...

    def written(self, medium: Medium | Encoded) -> tuple[str | int, ...]:
        """What stands for a medium in the prompt, in place of its placeholder: text, and ids of control tokens.

        Raises ValueError for a medium that the model cannot take, such as one too small.
        """
        ...

    def encode(self, medium: Medium, unwanted: Callable[[], bool]) -> Encoded | None:
        """What the model makes of a medium that can be `written`; None where it became `unwanted` meanwhile."""
        ...

    def prompt(self, tokens: Sequence[int], media: Sequence[Encoded]) -> Prompt:
        """The prompt of token ids in which what is `written` of each medium stands, in order."""
        ...


@dataclass(frozen=True)
class LoadedModel:
    """A model that can answer.

    format: how it writes calls and reasoning. parse_reasoning: unless a request says it. sampling_defaults: values of
    the sampling parameters that a request does not name, where they are not those of the API document.
    encoder: of pictures, sound and film; None for a model of text alone. reader: of the media of requests; without one
    the model takes text alone too.
    """

    engine: Engine
    tokenizer: ChatTokenizer
    compiler: Compiler
    format: Format = field(default_factory=Format)
    parse_reasoning: bool = False
    sampling_defaults: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    encoder: MediaEncoder | None = None
    reader: MediaReader | None = None

    @property
    def modalities(self) -> frozenset[Modality]:
        """What it takes beside text."""
        return frozenset() if self.encoder is None or self.reader is None else self.encoder.modalities

    def close(self) -> None:
        """Ends everything that runs."""
        if self.reader is not None:
            self.reader.close()
        self.compiler.close()
        self.engine.close()


@dataclass(frozen=True)
class PoolingModel:
    """A model that draws no tokens: it embeds texts or classifies them, as `pooling` says."""

    engine: Engine
    tokenizer: TextTokenizer
    pooling: PoolingConfig

    def close(self) -> None:
        """Ends everything that runs."""
        self.engine.close()


Model = LoadedModel | PoolingModel
