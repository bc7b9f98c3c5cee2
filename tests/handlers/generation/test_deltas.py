"""Deltas: nothing of an answer is lost, doubled or out of place, whatever tokens and stop strings there are."""

import asyncio
import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.request import Admission, TokenEvent
from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.parser import OutputParser
from handlers.formats.syntax import Format
from handlers.generation.deltas import ChoiceDecoder, decode

END, CACHED = 256, 3
TOKENS = st.lists(st.sampled_from([*b"abSTOP \n", *"é🙂".encode(), 257]), max_size=30)


class Script:
    """A generation that plays these events."""

    def __init__(self, events):
        self.events, self.cancelled, self.admission = events, [], Admission(0.5, CACHED)
        self.prompt_logprobs = None

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


PLAIN = Format()
HERMES = Format(TOOL_SYNTAXES["hermes"], REASONING_SYNTAXES["think"])


def play(
    fakes, script, choices=1, stop=(), format=PLAIN, tools=(), split=True, enforced=False, only_calls=False, **options
):
    def parser():
        functions = {name: {"type": "object"} for name in tools}
        calls = {"enforced": enforced, "only_calls": only_calls}
        return OutputParser(format, functions, split=split, **calls, new_id=lambda i: f"call_{i}")

    tokenizer = fakes.Tokenizer()
    decoders = [
        ChoiceDecoder(i, fakes.Text(stop), tokenizer, parser(), logprobs=True, **options) for i in range(choices)
    ]

    async def collect():
        return [delta async for delta in decode(script, decoders)]

    return asyncio.run(collect())


def text_of(tokens):
    """Without a character that the end cuts."""
    return codecs.getincrementaldecoder("utf-8")("replace").decode(bytes(token for token in tokens if token < 256))


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
    assert [entry.logprob for delta in deltas for entry in delta.logprobs] == [-1.0, -2.0]
    assert sum(delta.tokens for delta in deltas) == 2


@given(tokens=TOKENS)
def test_each_token_with_text_has_one_entry_in_order_in_the_delta_that_completes_its_text(fakes, tokens):
    deltas = play(fakes, Script(events(tokens or [97], "stop")))
    entries = [entry for delta in deltas for entry in delta.logprobs]
    shown = [i for i, token in enumerate(tokens or [97]) if token < 256]
    assert [entry.logprob for entry in entries] == [-float(i) for i in shown]
    emitted = seen = 0
    for delta in deltas[:-1]:
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
    assert [entry.text for delta in deltas for entry in delta.logprobs] == ["a", "b"]


def test_a_stop_string_completed_by_the_last_token_finishes_with_stop_and_needs_no_cancelling(fakes):
    script = Script(events(b"abSTOP", "length"))
    last = play(fakes, script, stop=["no", "STOP"])[-1]
    assert (last.finish_reason, last.stopped_by) == ("stop", "STOP") and script.cancelled == []
    assert play(fakes, Script(events(b"ab", "stop")), stop=["STOP"])[-1].stopped_by is None


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


CALL = '<tool_call>\n{"name": "f", "arguments": {"a": "é"}}\n</tool_call>'
THOUGHT = "<think>\nhm é\n</think>\n\n"


def told(fakes, text, reason="stop", **options):
    return told_tokens(fakes, [*text.encode()], reason, **options)


def told_tokens(fakes, tokens, reason="stop", **options):
    return play(fakes, Script(events(tokens, reason)), format=HERMES, tools=("f",), **options)


def test_reasoning_and_calls_are_told_apart_and_counted(fakes):
    deltas = told(fakes, f"{THOUGHT}Well.\n{CALL}")
    assert "".join(delta.reasoning for delta in deltas) == "hm é"
    assert "".join(delta.content for delta in deltas) == "Well."
    calls = [delta.call for delta in deltas if delta.call]
    assert (calls[0].id, calls[0].name) == ("call_0", "f") and all(call.id is None for call in calls[1:])
    assert "".join(call.arguments for call in calls) == '{"a": "é"}'
    last = deltas[-1]
    assert last.finish_reason == "tool_calls" and last.reasoning_tokens == len("\nhm é\n".encode())
    assert sum(delta.tokens for delta in deltas) == len(f"{THOUGHT}Well.\n{CALL}".encode()) + 1


def entries(deltas, name="logprobs"):
    return [-entry.logprob for delta in deltas for entry in getattr(delta, name)]


@pytest.mark.parametrize("answer", [CALL, "Well.", f"Well.\n{CALL}", "é"])
@pytest.mark.parametrize("thought", [THOUGHT, "<think>\n\n</think>\n\n"])
def test_log_probabilities_go_with_what_they_are_of_structure_with_what_it_marks(fakes, thought, answer):
    deltas = told(fakes, f"{thought}{answer}")
    before, size = len(thought.encode()), len(f"{thought}{answer}".encode())
    assert entries(deltas, "reasoning_logprobs") == list(range(before))
    assert entries(deltas) == list(range(before, size))
    hidden = told(fakes, f"{thought}{answer}", include_reasoning=False)
    assert entries(hidden, "reasoning_logprobs") == [] and entries(hidden) == entries(deltas)


@given(reasoning=st.text("ab <é", max_size=5), content=st.text("ab <é🙂", max_size=5), cut=st.integers(0, 40))
def test_log_probabilities_of_content_spell_it_and_those_of_hidden_reasoning_are_nowhere(
    fakes, reasoning, content, cut
):
    tokens = [*f"<think>\n{reasoning}\n</think>\n\n{content}".encode()][:cut]
    deltas = told_tokens(fakes, tokens or [97], include_reasoning=False)
    shown = "".join(delta.content for delta in deltas).encode()
    spelled = bytes(entry.bytes[0] for delta in deltas for entry in delta.logprobs)
    assert spelled.startswith(shown) and len(spelled) - len(shown) <= 3


def test_reasoning_that_is_content_has_its_log_probabilities_there(fakes):
    deltas = told(fakes, f"{THOUGHT}Well.", split=False)
    assert entries(deltas) == list(range(len(f"{THOUGHT}Well.".encode())))


def test_a_text_that_a_stop_string_ends_has_no_entries_of_what_is_cut(fakes):
    deltas = play(fakes, Script(events(b"xSSTOP", "length")), stop=["STOP"])
    assert "".join(delta.content for delta in deltas) == "xS" and entries(deltas) == [0, 1]


def test_reasoning_that_is_not_wanted_is_left_out_and_counted(fakes):
    deltas = told(fakes, f"{THOUGHT}Well.", include_reasoning=False)
    assert not any(delta.reasoning for delta in deltas) and deltas[-1].reasoning_tokens == 7
    assert "".join(delta.content for delta in deltas) == "Well."


def test_reasoning_that_is_not_split_is_content_with_its_markers(fakes):
    deltas = told(fakes, f"{THOUGHT}Well.", split=False)
    assert "".join(delta.content for delta in deltas) == f"{THOUGHT}Well."


@pytest.mark.parametrize("stop", ["tool_call", "name", "arg", '"a"', "é", "}}", "</tool"])
@pytest.mark.parametrize("required", [True, False])
def test_a_call_that_a_stop_string_cuts_ends_with_length_and_is_no_content(fakes, stop, required):
    deltas = told(fakes, CALL, stop=[stop], enforced=True, only_calls=required)
    content, begun = "".join(delta.content for delta in deltas), required or stop != "tool_call"
    assert (deltas[-1].finish_reason, content) == (("length", "") if begun else ("stop", "<"))


def test_a_stop_string_behind_a_call_cuts_none(fakes):
    deltas = told(fakes, f"{CALL}\nWell. STOP", stop=["STOP"], enforced=True)
    assert deltas[-1].finish_reason == "tool_calls" and "".join(delta.content for delta in deltas) == "\nWell. "


@pytest.mark.parametrize(("text", "reason"), [("ab", "stop"), ("abc", "length"), ("", "length")])
def test_a_stop_string_ends_a_constrained_answer_with_stop_only_where_it_is_whole(fakes, text, reason):
    deltas = play(fakes, Script(events([*f"{text}STOP".encode()], "length")), stop=["STOP"], is_whole="ab".__eq__)
    assert deltas[-1].finish_reason == reason and "".join(delta.content for delta in deltas) == text


@pytest.mark.parametrize("cut", range(1, 20))
def test_an_answer_that_is_cut_off_ends_with_length_whatever_it_called(fakes, cut):
    deltas = told(fakes, f"{CALL}"[:-cut], reason="length")
    assert deltas[-1].finish_reason == "length"
