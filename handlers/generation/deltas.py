"""From token events to typed deltas: the one thing that the streamed and the whole answer are both made of."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, Literal

from backend import PromptLogprobs, TokenEvent
from handlers.formats.parser import OutputParser
from handlers.formats.segments import CallArguments, CallStart, Content, Reasoning, Segment
from handlers.generation.logprobs import TokenLogprob, token_logprob
from handlers.loaded import ChatTokenizer, Generation, IncrementalDetokenizer

FinishReason = Literal["stop", "length", "tool_calls"]
END_OF_TEXT = 1 << 62


@dataclass(frozen=True)
class CallDelta:
    """More of one tool call.

    index: of the call within its message. arguments: more of their JSON text. id, name: with a call's first delta only.
    """

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class DrawnToken:
    """A token that was drawn, end tokens and those of a stop string too.

    start: the character of the choice's text at which it begins. logprob: None where not asked for.
    """

    id: int
    start: int
    logprob: TokenLogprob | None = None


@dataclass(frozen=True)
class Delta:
    """What is added to one choice: at most one of content, reasoning and call.

    content, reasoning: text, "" for none. logprobs, reasoning_logprobs: of tokens that no delta had before, in order,
    up to the last one of this delta's text: of reasoning with what marks it, where reasoning is sent, and of all
    others; on the last delta, those of tokens behind all text. None where not asked for. tokens: how many were drawn
    since this choice's previous delta; drawn: these tokens, where every token is asked for. finish_reason: set on the
    choice's last delta only, which has none of the three. stopped_by: the stop string that ended the choice, on its
    last delta, "" where stop tokens did, None where nothing did. reasoning_tokens: of the whole choice, on its last
    delta. cached_tokens: of the prompt, how many were in the cache; on the request's first delta only, as are
    prompt_logprobs, where they were asked for.
    """

    choice: int
    content: str = ""
    reasoning: str = ""
    call: CallDelta | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    reasoning_logprobs: tuple[TokenLogprob, ...] = ()
    tokens: int = 0
    drawn: tuple[DrawnToken, ...] = ()
    finish_reason: FinishReason | None = None
    stopped_by: str | None = None
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    prompt_logprobs: PromptLogprobs | None = None


@dataclass(frozen=True)
class HeldLogprob:
    """A token's log-probability that no delta has had yet. start, end: of the characters that the token completed."""

    start: int
    end: int
    entry: TokenLogprob


class ChoiceDecoder:
    """Makes deltas of the token events of one choice.

    Holds the text that is not certain, and the log-probabilities and tokens that no delta has had yet.
    choice: its index. text: makes text of its tokens. logprobs: deltas have them. every_token: deltas have every token
    that was drawn, and log-probabilities are theirs. finished: the last delta was given.
    parser: tells what in the text is reasoning and what are calls. include_reasoning: reasoning is sent.
    is_whole: whether a text is all that a constrained answer must be; None where its form is not constrained. What a
    stop string cuts before that ends with "length", and so does a call that is cut.
    """

    def __init__(
        self,
        choice: int,
        text: IncrementalDetokenizer,
        tokenizer: ChatTokenizer,
        parser: OutputParser,
        *,
        logprobs: bool,
        every_token: bool = False,
        include_reasoning: bool = True,
        is_whole: Callable[[str], bool] | None = None,
    ) -> None:
        self._choice, self._text, self._tokenizer, self._logprobs = (
            choice,
            text,
            tokenizer,
            logprobs and not every_token,
        )
        self._every_token, self._drawn = every_token, list[DrawnToken]()
        self._parser, self._include_reasoning, self._is_whole = parser, include_reasoning, is_whole
        self._held: list[HeldLogprob] = []
        self._tokens, self._said = 0, ""
        self._offsets: list[int] = []
        self._called, self._sent_until = False, 0
        self.finished = False

    def undrawn(self) -> Delta:
        """The only delta of a choice of which nothing is drawn."""
        self.finished = True
        return Delta(self._choice, finish_reason="length")

    def feed(self, event: TokenEvent) -> Iterator[Delta]:
        """The deltas that are certain with this event; the last one of the choice if the event ends it."""
        self._tokens += 1
        if self._every_token:
            logprob = None if event.logprob is None else token_logprob(event, self._tokenizer)
            self._drawn.append(DrawnToken(event.token, self._text.read, logprob))
        text = "" if event.is_end else self._read(event)
        ended = self._text.stopped_by is not None or event.finish_reason is not None
        if ended:
            text += self._text.finish()
        if self._is_whole is not None:
            self._said += text
        yield from self._split(self._parser.feed(text) if text else [])
        if ended:
            yield from self._split(self._parser.finish())
            self.finished = True
            if self._text.stopped_by is not None:
                self._held.clear()
            yield self._take_held(
                END_OF_TEXT,
                END_OF_TEXT,
                finish_reason=self._finish_reason(event),
                stopped_by=self._text.stopped_by,
                reasoning_tokens=self._count_reasoning(),
            )

    def _finish_reason(self, event: TokenEvent) -> FinishReason:
        stopped = self._text.stopped_by is not None
        if self._parser.unfinished or not (stopped or event.finish_reason == "stop"):
            return "length"
        if stopped and self._is_whole is not None and not self._is_whole(self._said):
            return "length"
        return "tool_calls" if self._called else "stop"

    def _read(self, event: TokenEvent) -> str:
        """The text that is certain with this token. The end token never comes here: it has no text."""
        start = self._text.read
        self._offsets.append(start)
        text = self._text.feed(event.token)
        if self._logprobs and self._tokenizer.token_bytes(event.token) is not None:
            self._held.append(HeldLogprob(start, self._text.read, token_logprob(event, self._tokenizer)))
        return text

    def _split(self, segments: Sequence[Segment]) -> Iterator[Delta]:
        for segment in segments:
            match segment:
                case Content(start=start, end=end, text=text) if text:
                    yield self._take_held(start, end, content=text)
                case Reasoning(end=end, text=text) if text and self._include_reasoning:
                    entries = self._take_before(end)
                    yield self._take(reasoning=text, reasoning_logprobs=tuple(one.entry for one in entries))
                case CallStart(start=start, end=end, index=index, id=call_id, name=name):
                    self._called = True
                    yield self._take_held(start, end, call=CallDelta(index, id=call_id, name=name))
                case CallArguments(start=start, end=end, index=index, fragment=fragment) if fragment:
                    yield self._take_held(start, end, call=CallDelta(index, fragment))

    def _take_held(self, start: int, end: int, **fields: Any) -> Delta:
        """A delta of the text from offset `start` to `end`, which is no reasoning, with the entries that are due.

        Those of tokens before it that are reasoning or its markers, or white space behind, belong to that.
        """
        entries, until = self._take_before(end), self._parser.reasoning_until
        before = takewhile(lambda one: one.start < start and one.end <= start, entries)
        reasoned = list(takewhile(lambda one: one.start < until or (one.entry.bytes or b"").isspace(), before))
        if until <= self._sent_until:
            reasoned = []
        self._sent_until = end
        return self._take(
            logprobs=tuple(one.entry for one in entries[len(reasoned) :]),
            reasoning_logprobs=tuple(one.entry for one in reasoned) if self._include_reasoning else (),
            **fields,
        )

    def _take_before(self, end: int) -> list[HeldLogprob]:
        """The entries of tokens that begin before offset `end`."""
        count = next((i for i, one in enumerate(self._held) if one.start >= end), len(self._held))
        entries, self._held = self._held[:count], self._held[count:]
        return entries

    def _take(self, **fields: Any) -> Delta:
        tokens, drawn = self._tokens, tuple(self._drawn)
        self._tokens, self._drawn = 0, []
        return Delta(self._choice, tokens=tokens, drawn=drawn, **fields)

    def _count_reasoning(self) -> int:
        """Tokens whose first character is reasoning."""
        spans = self._parser.reasoning_spans
        return sum(any(start <= offset < end for start, end in spans) for offset in self._offsets)


async def decode(
    generation: Generation, choices: Sequence[ChoiceDecoder], *, draws: bool = True
) -> AsyncGenerator[Delta, None]:
    """Deltas of all choices of a generation, interleaved as they come; `choices[i]` reads choice i.

    A choice that found its stop string is cancelled. draws: there are tokens to come; without any a choice has one
    delta, once the prompt is computed.

    The caller closes the generation. Raises RuntimeError where it ends before its choices.
    """
    running, started = set(range(len(choices))), False
    async for event in generation:
        if event.choice not in running:
            continue  # drawn before the engine saw the cancellation
        deltas = list(choices[event.choice].feed(event))
        if choices[event.choice].finished:
            running.discard(event.choice)
            if event.finish_reason is None:
                generation.cancel(event.choice)
        if deltas and not started:
            started, deltas[0] = True, _first(deltas[0], generation)
        for delta in deltas:
            yield delta
        if not running:
            return
    if draws:
        raise RuntimeError(f"the engine ended while the choices {sorted(running)} were unfinished")
    first, *others = (choice.undrawn() for choice in choices)
    for delta in (_first(first, generation), *others):
        yield delta


def _first(delta: Delta, generation: Generation) -> Delta:
    """The first delta of a generation, with what it tells of the prompt."""
    assert generation.admission is not None, "a delta came before its request was admitted"
    return replace(delta, cached_tokens=generation.admission.cached_tokens, prompt_logprobs=generation.prompt_logprobs)
