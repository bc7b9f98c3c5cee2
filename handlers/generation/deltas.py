"""From token events to typed deltas: the one thing that the streamed and the whole answer are both made of."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from backend import TokenEvent
from handlers.formats.parser import OutputParser
from handlers.formats.segments import CallArguments, CallStart, Content, Reasoning, Segment
from handlers.generation.logprobs import TokenLogprob, token_logprob
from handlers.service import ChatTokenizer, Generation, IncrementalDetokenizer

FinishReason = Literal["stop", "length", "tool_calls"]


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
class Delta:
    """What is added to one choice: at most one of content, reasoning and call.

    content, reasoning: text, "" for none. logprobs: of the tokens that were drawn since the previous delta with
    any of the three, none where not asked for; on the last delta, those of tokens behind all text. tokens: how many
    tokens were drawn since this choice's previous delta. finish_reason: set on the choice's last delta only, which has
    none of the three. reasoning_tokens: of the whole choice, on its last delta. cached_tokens: of the prompt, how many
    were in the cache; on the request's first delta only.
    """

    choice: int
    content: str = ""
    reasoning: str = ""
    call: CallDelta | None = None
    logprobs: tuple[TokenLogprob, ...] = ()
    tokens: int = 0
    finish_reason: FinishReason | None = None
    reasoning_tokens: int = 0
    cached_tokens: int = 0


class ChoiceDecoder:
    """Makes deltas of the token events of one choice.

    Holds the text that is not certain, and the log-probabilities and tokens that no delta has had yet.
    choice: its index. text: makes text of its tokens. logprobs: deltas have them. finished: the last delta was given.
    parser: tells what in the text is reasoning and what are calls. include_reasoning: reasoning is sent.
    """

    def __init__(
        self,
        choice: int,
        text: IncrementalDetokenizer,
        tokenizer: ChatTokenizer,
        parser: OutputParser,
        *,
        logprobs: bool,
        include_reasoning: bool = True,
    ) -> None:
        self._choice, self._text, self._tokenizer, self._logprobs = choice, text, tokenizer, logprobs
        self._parser, self._include_reasoning = parser, include_reasoning
        self._held: list[TokenLogprob] = []
        self._tokens = 0
        self._offsets: list[int] = []
        self._called = False
        self.finished = False

    def feed(self, event: TokenEvent) -> Iterator[Delta]:
        """The deltas that are certain with this event; the last one of the choice if the event ends it."""
        self._tokens += 1
        text = "" if event.is_end else self._read(event)
        reason: FinishReason | None = "stop" if self._text.stopped else event.finish_reason
        if reason is not None and not self._text.stopped:
            text += self._text.finish()
        yield from self._split(self._parser.feed(text) if text else [])
        if reason is not None:
            yield from self._split(self._parser.finish())
            self.finished = True
            called = self._called and reason == "stop"
            yield self._take(
                finish_reason="tool_calls" if called else reason,
                reasoning_tokens=self._count_reasoning(),
                logprobs=() if self._text.stopped else tuple(self._held),
            )

    def _read(self, event: TokenEvent) -> str:
        """The text that is certain with this token. The end token never comes here: it has no text."""
        if self._logprobs and self._tokenizer.token_bytes(event.token) is not None:
            self._held.append(token_logprob(event, self._tokenizer))
        self._offsets.append(self._text.read)
        return self._text.feed(event.token)

    def _split(self, segments: Sequence[Segment]) -> Iterator[Delta]:
        for segment in segments:
            match segment:
                case Content(text=text) if text:
                    yield self._take_held(content=text)
                case Reasoning(text=text) if text and self._include_reasoning:
                    yield self._take_held(reasoning=text)
                case CallStart(index=index, id=call_id, name=name):
                    self._called = True
                    yield self._take_held(call=CallDelta(index, id=call_id, name=name))
                case CallArguments(index=index, fragment=fragment) if fragment:
                    yield self._take_held(call=CallDelta(index, fragment))

    def _take_held(self, **fields: Any) -> Delta:
        held, self._held = self._held, []
        return self._take(logprobs=tuple(held), **fields)

    def _take(self, **fields: Any) -> Delta:
        tokens, self._tokens = self._tokens, 0
        return Delta(self._choice, tokens=tokens, **fields)

    def _count_reasoning(self) -> int:
        """Tokens whose first character is reasoning."""
        spans = self._parser.reasoning_spans
        return sum(any(start <= offset < end for start, end in spans) for offset in self._offsets)


async def decode(generation: Generation, choices: Sequence[ChoiceDecoder]) -> AsyncIterator[Delta]:
    """Deltas of all choices of a generation, interleaved as they come; `choices[i]` reads choice i.

    A choice that found its stop string is cancelled.

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
            started, deltas[0] = True, replace(deltas[0], cached_tokens=_cached_tokens(generation))
        for delta in deltas:
            yield delta
        if not running:
            return
    raise RuntimeError(f"the engine ended while the choices {sorted(running)} were unfinished")


def _cached_tokens(generation: Generation) -> int:
    """Of a generation that has given its first event."""
    assert generation.admission is not None, "an event came before its request was admitted"
    return generation.admission.cached_tokens
