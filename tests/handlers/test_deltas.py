"""Deltas: nothing of an answer is lost, doubled or out of place, whatever tokens and stop strings there are."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.request import Admission, TokenEvent
from handlers.deltas import ChoiceDecoder, decode

END, CACHED = 256, 3
TOKENS = st.lists(st.sampled_from([*b"abSTOP \n", *"é🙂".encode(), 257]), max_size=30)


class Script:
    """A generation that plays these events."""

    def __init__(self, events):
        self.events, self.cancelled, self.admission = events, [], Admission(0.5, CACHED)

    async def __aiter__(self):
        for event in self.events:
            yield event

    def cancel(self, choice):
        self.cancelled.append(choice)


def events(tokens, reason, choice=0):
    tokens = [*tokens, END] if reason == "stop" else tokens
    last = len(tokens) - 1
    reasons = [None] * last + [reason]
    return [
        TokenEvent(choice, token, -float(i), (), reasons[i], is_end=reason == "stop" and i == last)
        for i, token in enumerate(tokens)
    ]


def play(fakes, script, choices=1, stop=()):
    tokenizer = fakes.Tokenizer()
    decoders = [ChoiceDecoder(i, fakes.Text(stop), tokenizer, logprobs=True) for i in range(choices)]

    async def collect():
        return [delta async for delta in decode(script, decoders)]

    return asyncio.run(collect())


def text_of(tokens):
    return bytes(token for token in tokens if token < 256).decode(errors="replace")


@given(tokens=TOKENS, reason=st.sampled_from(["stop", "length"]))
def test_the_contents_are_the_text_and_one_delta_finishes(fakes, tokens, reason):
    tokens = tokens or [97]
    deltas = play(fakes, Script(events(tokens, reason)))
    assert "".join(delta.content for delta in deltas) == text_of(tokens)
    assert [delta.finish_reason for delta in deltas] == [None] * (len(deltas) - 1) + [reason]
    assert deltas[-1].content == "" and all(delta.content for delta in deltas[:-1])
    assert sum(delta.tokens for delta in deltas) == len(tokens) + (reason == "stop")


def test_a_choice_that_stops_without_an_end_token_keeps_its_last_token(fakes):
    complete = [TokenEvent(0, ord("{"), -1.0), TokenEvent(0, ord("}"), -2.0, finish_reason="stop")]
    deltas = play(fakes, Script(complete))
    assert "".join(delta.content for delta in deltas) == "{}" and deltas[-1].finish_reason == "stop"
    assert [entry["logprob"] for delta in deltas for entry in delta.logprobs] == [-1.0, -2.0]
    assert sum(delta.tokens for delta in deltas) == 2


@given(tokens=TOKENS)
def test_each_token_with_text_has_one_entry_in_order_in_the_delta_that_completes_its_text(fakes, tokens):
    deltas = play(fakes, Script(events(tokens or [97], "stop")))
    entries = [entry for delta in deltas for entry in delta.logprobs]
    shown = [i for i, token in enumerate(tokens or [97]) if token < 256]
    assert [entry["logprob"] for entry in entries] == [-float(i) for i in shown]
    emitted = seen = 0
    for delta in deltas:
        emitted += len(delta.content.encode(errors="replace")) if "\ufffd" not in delta.content else 0
        seen += len(delta.logprobs)
        assert "\ufffd" in text_of(tokens) or emitted == seen  # one byte per token


@given(tokens=TOKENS, stop=st.sampled_from([["STOP"], ["S", "STOP"], ["OP ", "TO"], ["b\n"], ["🙂"]]))
def test_the_text_ends_before_the_first_stop_string_and_the_choice_is_cancelled(fakes, tokens, stop):
    whole = text_of(tokens)
    found = [whole.index(string) for string in stop if string in whole]
    script = Script(events(tokens, "stop"))
    deltas = play(fakes, script, stop=stop)
    assert "".join(delta.content for delta in deltas) == whole[: min(found, default=len(whole))]
    assert deltas[-1].finish_reason == "stop" and script.cancelled == ([0] if found else [])
    if found:  # counted up to the token that completed the stop string
        complete = min(
            n for n in range(len(tokens) + 1) if any(string in text_of(tokens[:n]) for string in stop)
        )  # fmt: skip
        assert sum(delta.tokens for delta in deltas) == complete


def test_a_token_that_is_only_stop_text_has_no_entry(fakes):
    deltas = play(fakes, Script(events(b"abSTOP and more", "stop")), stop=["STOP"])
    assert [entry["token"] for delta in deltas for entry in delta.logprobs] == ["a", "b"]


def test_a_stop_string_completed_by_the_last_token_finishes_with_stop_and_needs_no_cancelling(fakes):
    script = Script(events(b"abSTOP", "length"))
    assert play(fakes, script, stop=["STOP"])[-1].finish_reason == "stop" and script.cancelled == []


@given(a=TOKENS, b=TOKENS, order=st.randoms())
def test_interleaved_choices_do_not_mix(fakes, a, b, order):
    queues = [events(a, "stop", 0), events(b, "stop", 1)]
    mixed = []
    while any(queues):
        mixed.append(order.choice([queue for queue in queues if queue]).pop(0))
    deltas = play(fakes, Script(mixed), choices=2)
    for choice, tokens in enumerate((a, b)):
        own = [delta for delta in deltas if delta.choice == choice]
        assert "".join(delta.content for delta in own) == text_of(tokens) and own[-1].finish_reason == "stop"


def test_events_drawn_before_the_cancellation_was_seen_are_left_out(fakes):
    mixed = [*events(b"STOPxx", "length", 0), *events(b"ok", "stop", 1)]
    deltas = play(fakes, Script(mixed), choices=2, stop=["STOP"])
    assert "".join(delta.content for delta in deltas) == "ok" and sum(d.tokens for d in deltas if d.choice == 0) == 4


@given(a=TOKENS, b=TOKENS, order=st.randoms())
def test_the_cached_part_of_the_prompt_is_told_once_and_at_first(fakes, a, b, order):
    mixed = [*events(a, "stop", 0), *events(b, "stop", 1)]
    order.shuffle(mixed)
    mixed.sort(key=lambda event: event.is_end)
    deltas = play(fakes, Script(mixed), choices=2)
    assert [delta.cached_tokens for delta in deltas] == [CACHED] + [0] * (len(deltas) - 1)


def test_an_engine_that_ends_early_is_an_error(fakes):
    with pytest.raises(RuntimeError, match="unfinished"):
        play(fakes, Script(events(b"ab", None)))
