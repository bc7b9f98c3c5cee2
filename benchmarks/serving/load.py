"""Every side as a server under the same load: same weights, prompts and lengths, by turns, one at a time."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import pairwise

import numpy as np

from benchmarks.serving.client import Answer, closed_loop, post_request, read_stream
from benchmarks.serving.models import Model
from benchmarks.serving.prompts import Prompts
from benchmarks.serving.servers import Served, Server, Side

log = logging.getLogger(__name__)
PATH = "/v1/chat/completions"
PAUSE = 0.3
"""Seconds before a turn: what the side before left running in the kernel is over by then."""


@dataclass(frozen=True)
class Load:
    """streams: concurrent ones, each level by itself. prompt, new: tokens. turns: requests per stream and round."""

    streams: tuple[int, ...]
    prompt: int
    new: int
    turns: int
    rounds: int

    def requests(self, streams: int) -> int:
        """How many a round has; four at least."""
        return max(4, streams * self.turns)


@dataclass
class Level:
    """One side at one number of streams. rates: new tokens per second in each round. Seconds, of all rounds.

    tokens: that were drawn, of `asked`. same: share 0..1 of the answers that are the first side's, but for space around
    them. memory: bytes at most by the end of the level.
    """

    model: str
    streams: int
    side: str
    rates: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    pace: list[float] = field(default_factory=list)
    tokens: int = 0
    asked: int = 0
    same: float = 0.0
    memory: int = 0

    def record(self) -> dict[str, object]:
        """For the file: percentiles in the place of the single times."""
        kept = {k: v for k, v in asdict(self).items() if k not in ("first", "gaps", "pace")}
        return kept | {
            "first": percentiles(self.first),
            "gaps": percentiles(self.gaps),
            "pace": percentiles(self.pace),
        }


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50 and p99."""
    return {"p50": float(np.quantile(seconds, 0.5)), "p99": float(np.quantile(seconds, 0.99))}


def run(model: Model, served: Served, sides: Sequence[Side], load: Load) -> list[dict[str, object]]:
    """The records of all levels."""
    prompts, records = Prompts(model.folder), []
    with ExitStack() as stack:
        running = {side.name: _start(side, served, stack, prompts, load) for side in sides}
        for streams in load.streams:
            levels = {name: Level(model.name, streams, name) for name in running}
            for turn in range(load.rounds):
                chats = [prompts.chat(load.prompt) for _ in range(load.requests(streams))]
                log.info("%s: %d streams, round %d of %d", model.name, streams, turn + 1, load.rounds)
                answers = {name: measure(running[name], chats, streams, load.new) for name in _turned(running, turn)}
                for name, level in levels.items():
                    _add(level, answers[name], answers[sides[0].name], load)
            for name, level in levels.items():
                level.memory = running[name].peak_memory()
                level.same /= load.rounds
                records.append(level.record())
    return records


def _turned(names: dict[str, Server], turn: int) -> list[str]:
    """The sides in an order that moves on by one each round."""
    listed = list(names)
    return listed[turn % len(listed) :] + listed[: turn % len(listed)]


def _start(side: Side, served: Served, stack: ExitStack, prompts: Prompts, load: Load) -> Server:
    """A server that has answered at every level once, and is paused."""
    log.info("starting %s", side.name)
    server = stack.enter_context(Server(side, served))
    for streams in load.streams:
        measure(server, [prompts.chat(load.prompt) for _ in range(streams)], streams, 8)
    server.pause()
    return server


def measure(server: Server, chats: Sequence[list[dict[str, str]]], streams: int, new: int) -> list[Answer]:
    """The answers to these chats, in their order; the server runs during this only."""
    requests = [post_request(PATH, body(server, chat, new)) for chat in chats]
    server.resume()
    time.sleep(PAUSE)
    try:
        exchanges = asyncio.run(closed_loop(server.url, requests, streams))
    except Exception as error:
        raise RuntimeError(f"{server.side.name} failed under load: {error}\n{server.log()}") from error
    server.pause()
    return [read_stream(exchange, new) for exchange in exchanges]


def body(server: Server, chat: list[dict[str, str]], new: int) -> dict[str, object]:
    """A greedy, streamed request for `new` tokens."""
    common = {"model": server.model, "messages": chat, "max_tokens": new, "temperature": 0, "stream": True}
    return common | server.side.extra


def _add(level: Level, answers: list[Answer], expected: list[Answer], load: Load) -> None:
    """One round's answers, and how many of them are as expected."""
    seconds = max(a.ended for a in answers) - min(a.sent for a in answers)
    drawn = sum(a.tokens for a in answers)
    if {a.prompt_tokens for a in answers} - {None, load.prompt}:
        raise RuntimeError(f"{level.side} counted {answers[0].prompt_tokens} tokens in prompts of {load.prompt}")
    level.rates.append(drawn / seconds)
    level.tokens += drawn
    level.asked += load.new * len(answers)
    level.first += [a.first for a in answers]
    level.gaps += [b - a for answer in answers for a, b in pairwise(answer.arrivals)]
    level.pace += [a.pace for a in answers]
    level.same += sum(a.text.strip() == b.text.strip() for a, b in zip(answers, expected, strict=True)) / len(answers)


def ratios(records: Sequence[dict], ours: str, theirs: str, streams: int) -> list[float]:
    """Per round, how many times as many tokens per second `ours` gave as `theirs`."""
    rates = {r["side"]: r["rates"] for r in records if r["streams"] == streams}
    return [a / b for a, b in zip(rates[ours], rates[theirs], strict=True)]
