"""What HTTP costs alone: our application over a stub engine beside a bare route that sends the same bytes, by turns."""

import asyncio
import json
import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.serving.client import Exchange, closed_loop, post_request
from benchmarks.serving.load import PATH
from benchmarks.serving.servers import Served, Server, Side

log = logging.getLogger(__name__)
TOKENS = 8
STREAMS = 8
CHAT = [{"role": "user", "content": "What is the capital of France?"}]
OURS, TEXT, BARE = "ours, stub tokenizer", "ours, real tokenizer", "bare route"


def run(scratch: Path, requests: int, rounds: int) -> list[dict[str, object]]:
    """Per kind of answer and application: p50 of one request after the other, and requests per second of 8 streams."""
    served, recording = Served(scratch, {}, 1, 0, scratch), scratch / "replay.json"
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Server(_side(name, flags), served)) for name, flags in _ours()}
        _record(servers[OURS], recording)
        servers[BARE] = stack.enter_context(Server(_side(BARE, ("--replay", str(recording))), served))
        for server in servers.values():
            server.pause()
        records = []
        for stream in (False, True):
            log.info("HTTP alone, %s", "streamed" if stream else "whole")
            _rounds(servers, stream, requests // 10, 1)
            records += _rounds(servers, stream, requests, rounds)
    return records


def _ours() -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (OURS, ()), (TEXT, ("--text",))


def _side(name: str, flags: tuple[str, ...]) -> Side:
    module = (sys.executable, "-m", "benchmarks.serving.stub")
    return Side(name, lambda served, port: [*module, str(port), *flags])


def _request(stream: bool) -> bytes:
    body = {"model": "stub", "messages": CHAT, "max_tokens": TOKENS, "temperature": 0, "seed": 0, "stream": stream}
    return post_request(PATH, body)


def _record(server: Server, file: Path) -> None:
    """Keep one whole and one streamed answer of ours."""
    whole, streamed = (asyncio.run(closed_loop(server.url, [_request(s)], 1))[0] for s in (False, True))
    events = [event + "\n\n" for event in streamed.body.decode().split("\n\n") if event]
    file.write_text(json.dumps({"whole": whole.body.decode(), "events": events}), encoding="utf-8")


def _rounds(servers: dict[str, Server], stream: bool, requests: int, rounds: int) -> list[dict[str, object]]:
    latency: dict[str, list[float]] = {name: [] for name in servers}
    rate: dict[str, list[float]] = {name: [] for name in servers}
    sizes: dict[str, int] = {}
    for _ in range(rounds):
        for name, server in servers.items():
            alone = _exchanges(server, stream, requests, 1)
            latency[name].append(float(np.quantile([e.ended - e.sent for e in alone], 0.5)))
            together = _exchanges(server, stream, requests, STREAMS)
            rate[name].append(requests / (max(e.ended for e in together) - min(e.sent for e in together)))
            sizes[name] = len(alone[0].body)
    return [
        {
            "streamed": stream,
            "side": name,
            "bytes": sizes[name],
            "p50": latency[name],
            "rate": rate[name],
            "added": median(a - b for a, b in zip(latency[name], latency[BARE], strict=True)),
        }
        for name in servers
    ]


def _exchanges(server: Server, stream: bool, requests: int, streams: int) -> list[Exchange]:
    server.resume()
    try:
        return asyncio.run(closed_loop(server.url, [_request(stream)] * requests, streams, keep=True))
    finally:
        server.pause()
