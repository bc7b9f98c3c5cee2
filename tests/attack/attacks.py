"""Requests that once stopped or killed a default server, each with what it may be answered."""

import asyncio
import gzip
import json
import random
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

CHAT = "/v1/chat/completions"
POST = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n"
USER = {"role": "user", "content": "Hi"}
MANY = 60_000
NEARLY = 32_000  # objects, almost as many as a body may have
SOURCE = ("127.0.0.2", 0) if sys.platform == "linux" else None
"""Another address than that of the others who ask: attackers are other clients."""
Attack = Callable[[str], Awaitable[set[int]]]
"""Runs against the server at a URL; gives the statuses of its answers, 0 for a connection that was closed."""


@dataclass(frozen=True)
class Bodies:
    """The same body, `times` times at once; those who send it leave after `seconds`, None for never."""

    body: bytes
    times: int = 1
    seconds: float | None = None
    headers: tuple[tuple[str, str], ...] = ()

    async def __call__(self, url: str) -> set[int]:
        """The statuses of all answers."""
        return set(await asyncio.gather(*(self._send(url) for _ in range(self.times))))

    async def _send(self, url: str) -> int:
        more = "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        head = (
            f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n{more}"
        )
        request = f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body
        with suppress(TimeoutError):
            async with asyncio.timeout(self.seconds):
                return await exchange(url, [request])
        return 0


async def exchange(url: str, parts: list[bytes], pause: float = 0) -> int:
    """The status that a connection is answered with which sends these parts."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, local_addr=SOURCE)
    try:
        with suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
        with suppress(ConnectionError):
            line = await reader.readline()
            while await reader.read(1 << 16):
                pass
            return int(line.split()[1]) if line else 0
        return 0
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def chat(**fields: object) -> bytes:
    """A body."""
    return json.dumps({"messages": [USER], **fields}).encode()


def schema(value: object) -> dict[str, object]:
    """A response_format."""
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": value}}


def hard_schema(i: int) -> dict[str, object]:
    """One that takes long to compile, and is no other's."""
    pattern = f"^(a|b|{i})*a(a|b|c){{12}}$"
    return {"type": "object", "properties": {f"{i} {j}": {"type": "string", "pattern": pattern} for j in range(6)}}


async def large_heads(url: str) -> set[int]:
    """One header of 300 MB, and 150 MB of small ones."""
    line = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
    one = [line + b"X: ", *[b"a" * 65536] * 4600]
    small = [line, *[b"X: aaaaaaaaaaaaaaaa\r\n" * 3000] * 2500]
    return {await exchange(url, one), await exchange(url, small), await exchange(url, [b"GET /" + b"a" * 70_000])}


async def slow_clients(url: str) -> set[int]:
    """Heads and bodies that trickle, and connections that say nothing, a hundred of each."""
    head = f"{POST}Content-Length: 2000000\r\n".encode()
    slow = [[head, *[b"X"] * 60], [head + b"\r\n", *[b" "] * 60], [b"G", *[b"E"] * 60]]
    return set(await asyncio.gather(*(exchange(url, parts, 0.25) for parts in slow for _ in range(100))))


async def abandoned_schemas(url: str) -> set[int]:
    """64 schemas that are hard to compile, whose clients leave after half a second."""
    bodies = [Bodies(chat(response_format=schema(hard_schema(i))), seconds=0.5) for i in range(64)]
    found: set[int] = set()
    for status in await asyncio.gather(*(body(url) for body in bodies)):
        found |= status
    return found


async def junk(url: str) -> set[int]:
    """Bytes that are no HTTP, and HTTP that is not quite."""
    draw = random.Random(0)
    heads = [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n",
    ]
    parts = [[draw.choice(heads) + draw.randbytes(200) + b"\r\n\r\n"] for _ in range(300)]
    return set(await asyncio.gather(*(exchange(url, part) for part in parts)))


REFUSED = {400, 408, 413, 414, 415, 422, 429, 431, 501, 503, 0}
ATTACKS: dict[str, tuple[Attack, set[int]]] = {
    "messages that are numbers": (Bodies(chat(messages=[0] * MANY), 4), {422}),
    "stops that are empty": (Bodies(chat(stop=[""] * MANY), 4), {422}),
    "tools that are numbers": (Bodies(chat(tools=[0] * MANY), 4), {422}),
    "parts that are numbers": (Bodies(chat(messages=[{"role": "user", "content": [0] * MANY}]), 4), {422}),
    "seeds": (Bodies(chat(seed=[0] * MANY), 4), {422}),
    "a long key with many members": (
        Bodies(chat(chat_template_kwargs={"k" * 300_000: [""] * 50_000}), 4), {200, 422}
    ),
    "blanks": (Bodies(chat(messages=[{"role": "user", "content": " " * 262_144}]), 12), {422}),
    "a long text": (Bodies(chat(messages=[{"role": "user", "content": "word " * 400_000}]), 6), {422}),
    "more than a body may have": (Bodies(b" " * (9 << 20), 8), {413, 503, 0}),
    "a bomb": (Bodies(gzip.compress(b" " * (200 << 20)), 8, headers=(("Content-Encoding", "gzip"),)), {413, 422}),
    "many messages": (Bodies(chat(messages=[USER] * NEARLY), 4), {422}),
    "many parts": (
        Bodies(chat(messages=[{"role": "user", "content": [{"type": "text", "text": ""}] * NEARLY}]), 4), {422}
    ),
    "many objects": (Bodies(chat(unheard=[{"a": [1]}] * (NEARLY // 2)), 8), {200}),
    "too many objects": (Bodies(chat(unheard=[{"a": 1}] * 100_000), 8), {422}),
    "much bias": (Bodies(chat(logit_bias={str(i): 0 for i in range(MANY)}), 4), {422}),
    "a long name of a model": (Bodies(chat(model="m" * 1_900_000), 4), {404}),
    "a long regex": (Bodies(chat(response_format={"type": "regex", "schema": "(ab|cd)" * 140_000}), 4), {422}),
    "a regex with a billion states": (
        Bodies(chat(response_format={"type": "regex", "schema": "(a|b)*a(a|b){30}"}), 4), {422, 429}
    ),
    "a deep body": (Bodies(b"[" * 200_000, 4), {422}),
    "large heads": (large_heads, {400, 414, 431, 0}),
    "slow clients": (slow_clients, REFUSED),
    "abandoned schemas": (abandoned_schemas, {0, 200, 422, 429}),
    "junk": (junk, REFUSED | {404, 405}),
}  # fmt: skip
