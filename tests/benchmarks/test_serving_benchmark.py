"""The serving benchmark: its arguments, its models, and the arithmetic that its figures rest on."""

import asyncio
import json
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from backend.grammar import COMPLETE, alphabet_of
from benchmarks.serving import __main__ as serving
from benchmarks.serving import client, load, models, report, servers
from benchmarks.serving.client import Exchange, Refused, read_stream
from benchmarks.serving.models import BUNDLED
from benchmarks.serving.prompts import Prompts
from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.text.gguf.files import byte_level_keys, write


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[models.Model]:
    yield models.random_model(tmp_path_factory.mktemp("quick"), quick=True)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[models.Model]:
    yield models.bundled_model(tmp_path_factory.mktemp("bundled"))


def test_an_absent_side_is_named_and_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "find_spec", lambda package: None)
    with pytest.raises(SystemExit, match=r"llama-cpp-python: the package llama_cpp is not installed.*--sides jaxchat"):
        serving.main(["--quick", "--sides", "jaxchat", "llama-cpp-python"])


def test_a_part_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        serving.main(["loda"])
    assert "there is no part 'loda'; there are decode, load" in capsys.readouterr().err


def test_the_real_model_is_asked_for_by_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        serving.main(["--models", "real"])
    assert "name it with --file" in capsys.readouterr().err


# The models


def test_no_token_ends_an_answer_of_either_model(quick: models.Model, bundled: models.Model) -> None:
    for model in (quick, bundled):
        tokenizer = ChatTokenizer(model.folder)
        assert tokenizer.end_tokens == () and tokenizer.vocab_size == model.vocab
        assert alphabet_of(tokenizer.vocabulary()) == COMPLETE


@pytest.mark.parametrize("kind", ["F32", "Q4_1"])
def test_a_real_model_has_visible_tokens_in_the_place_of_those_that_end_an_answer(tmp_path: Path, kind: str) -> None:
    keys = byte_level_keys(Tokenizer.from_file(str(BUNDLED / "tokenizer.json")), "qwen2")
    template = (BUNDLED / "chat_template.jinja").read_text(encoding="utf-8")
    keys |= {"bos_token_id": None, "eos_token_id": 2, "tokenizer.chat_template": template}
    source = write(tmp_path / "tiny.gguf", keys)
    model = models.real_model(source, tmp_path / "real.gguf", kind)
    before, after = (ChatTokenizer(path) for path in (source, model.folder))
    assert before.end_tokens != [model.unused_token] and list(after.end_tokens) == [model.unused_token]
    prompts = Prompts(model.folder)
    assert len(prompts.ids(prompts.chat(80))) == 80
    assert model.flags == (() if kind == "F32" else ("--dtype", "bfloat16"))


def test_the_bundled_model_reads_the_same_tokens_as_it_was_trained_on(bundled: models.Model) -> None:
    chat = Prompts(bundled.folder).chat(80)
    own = AutoTokenizer.from_pretrained(BUNDLED).apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
    assert ChatTokenizer(bundled.folder).encode_chat(chat, tools=None, template_kwargs={}, reasoning_effort=None) == own


@given(tokens=st.integers(20, 200), seed=st.integers(0, 99))
def test_prompts_have_the_length_asked_for(quick: models.Model, tokens: int, seed: int) -> None:
    prompts = Prompts(quick.folder, seed)
    assert len(prompts.ids(prompts.chat(tokens))) == tokens
    assert prompts.chat(tokens) != prompts.chat(tokens)


def test_a_prompt_shorter_than_its_template_is_refused(quick: models.Model) -> None:
    with pytest.raises(ValueError, match="3 tokens are too few for a prompt"):
        Prompts(quick.folder).chat(3)


# The load generator


def chunk(text: str | None, reason: str | None = None, **rest: object) -> bytes:
    choice = {"delta": {} if text is None else {"content": text}, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice], **rest}).encode() + b"\r\n\r\n"


EVENTS = [chunk("", None), b": ping\n\n", chunk("æ"), chunk("b"), chunk(None, "length"), b"data: [DONE]\n\n"]


def cut(stream: bytes, at: list[int]) -> list[tuple[float, bytes]]:
    edges = [0, *sorted(at), len(stream)]
    return [(float(end), stream[begin:end]) for begin, end in pairwise(edges)]


@given(at=st.lists(st.integers(0, sum(map(len, EVENTS)))))
def test_a_text_arrives_with_the_piece_that_completes_it(at: list[int]) -> None:
    stream = b"".join(EVENTS)
    answer = read_stream(Exchange(0.0, 200, cut(stream, at), 9e9), 7)
    edges = sorted({0, *at, len(stream)})
    ends = [stream.index(event) + len(event.split(b"\n")[0]) + 1 for event in EVENTS[2:4]]
    assert answer.text == "æb" and answer.tokens == 7
    assert answer.arrivals == tuple(min(edge for edge in edges if edge >= end) for end in ends)


def test_the_servers_own_count_is_believed_before_the_number_asked_for() -> None:
    usage = {"completion_tokens": 5, "prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}
    last = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
    answer = read_stream(Exchange(0.0, 200, [(1.0, chunk("a")), (2.0, chunk(None, "stop") + last)]), 7)
    assert (answer.tokens, answer.prompt_tokens, answer.cached_tokens) == (5, 3, 2)


@pytest.mark.parametrize(
    "events", [[chunk("a", "stop")], [chunk(None, "length")], [b'data: {"error": "out of memory"}\n\n']]
)
def test_an_answer_whose_tokens_cannot_be_counted_is_refused(events: list[bytes]) -> None:
    with pytest.raises(Refused):
        read_stream(Exchange(0.0, 200, [(1.0, b"".join(events))]), 7)


class Echo(asyncio.Protocol):
    """Answers each request with its body; notes how many it had at the same time, on how many connections."""

    connections = running = most = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport, self.parser, self.body = transport, httptools.HttpRequestParser(self), b""
        type(self).connections += 1

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        type(self).running += 1
        type(self).most = max(self.most, self.running)
        asyncio.get_running_loop().call_later(random.random() / 100, self.answer)

    def answer(self) -> None:
        type(self).running -= 1
        status = 500 if b"fail" in self.body else 200
        self.transport.write(b"HTTP/1.1 %d x\r\nTransfer-Encoding: chunked\r\n\r\n" % status)
        self.transport.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(self.body), self.body))
        self.body, self.parser = b"", httptools.HttpRequestParser(self)


async def echoed(bodies: list[object], streams: int, keep: bool) -> tuple[list[object], int, int]:
    """The answers, the most requests at a time, the connections."""
    kind = type("Own", (Echo,), {})
    server = await asyncio.get_running_loop().create_server(kind, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        requests = [client.post_request("/", body) for body in bodies]
        exchanges = await client.closed_loop(url, requests, streams, keep)
    return [json.loads(exchange.body) for exchange in exchanges], kind.most, kind.connections


@pytest.mark.parametrize("keep", [True, False])
async def test_the_loop_is_closed_and_answers_keep_the_order_of_requests(keep: bool) -> None:
    bodies: list[object] = [{"number": number} for number in range(20)]
    answers, most, connections = await echoed(bodies, 3, keep)
    assert answers == bodies and most == 3 and connections == (3 if keep else 20)


async def test_an_answer_that_is_not_200_is_an_error() -> None:
    with pytest.raises(Refused, match="HTTP 500: .*fail"):
        await echoed(["fail"], 1, keep=False)


# The figures


def test_a_rate_counts_all_tokens_from_the_first_request_to_the_last_answer() -> None:
    level, plan = load.Level("m", 2, "jaxchat"), load.Load((2,), prompt=4, new=10, turns=1, rounds=1)
    answers = [client.Answer(sent, sent + 2.0, (0.5, 1.5), 10, 4, None, f" {sent}") for sent in (1.0, 3.0)]
    load._add(level, answers, [answers[0], answers[0]], plan)
    assert level.rates == [20 / 4.0] and (level.tokens, level.asked) == (20, 20) and level.same == 0.5
    assert level.record()["first"] == {"p50": 0.5, "p99": 0.5} and level.record()["gaps"] == {"p50": 1.0, "p99": 1.0}


def test_a_side_that_reads_other_prompts_stops_the_run() -> None:
    level, plan = load.Level("m", 1, "other"), load.Load((1,), prompt=4, new=10, turns=1, rounds=1)
    answers = [client.Answer(0.0, 1.0, (0.5,), 10, 5, None, "")]
    with pytest.raises(RuntimeError, match="other counted 5 tokens in prompts of 4"):
        load._add(level, answers, answers, plan)


def test_a_table_gives_our_speed_as_a_multiple_made_within_each_round() -> None:
    times = {"first": {"p50": 0.01, "p99": 0.02}, "gaps": {"p50": 0.0, "p99": 0.001}, "pace": {"p50": 0.005}}
    common = {"model": "m", "streams": 1, "tokens": 8, "asked": 8, "same": 1.0, "memory": 10**6, **times}
    records = [{**common, "side": "jaxchat", "rates": [10.0, 30.0]}, {**common, "side": "x", "rates": [5.0, 10.0]}]
    lines = report.load_table(records).splitlines()
    assert lines[2].startswith("| m | 1 | jaxchat | 20.0 |  | 10.0 / 20.0 | 5.0 |")
    assert lines[3].startswith("| m | 1 | x | 7.5 | 2.50 (2.00 to 3.00) |")
