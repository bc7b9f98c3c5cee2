"""One request each: ways to ask, to leave and to be refused, every answer compared with the one known beforehand."""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import openai

from tests.conformance.chat import PATH, fold, said
from tests.load.catalogue import REFUSED, Body
from tests.load.report import Report

Said = dict[str, Any]
FULL = ("queue_full", "compiler_busy")
USAGE = {"stream": True, "stream_options": {"include_usage": True}}


class Busy(Exception):
    """The server has no room now; `seconds` is when it wants to be asked again."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Wrong(Exception):
    """What the server did is not what it must do."""


class SimulatedClient:
    """Asks one server; `report` keeps the score. known: an entry of the catalogue, and its answer when asked alone."""

    def __init__(self, http: httpx.AsyncClient, report: Report, known: list[tuple[Body, Said]], seed: int) -> None:
        self._http, self._report, self._known, self._rng = http, report, known, random.Random(seed)
        self._openai = openai.AsyncOpenAI(
            base_url=str(http.base_url.join("/v1")), api_key="unused", http_client=http, max_retries=0
        )
        self._ways: dict[Callable[[], Any], int] = {
            self.whole: 6, self.streamed: 8, self.slowly: 1, self.by_openai: 3, self.leaving: 4, self.abandoning: 3,
            self.refused: 3, self.with_a_format_never_seen: 1, self.without_a_seed: 1,
        }  # fmt: skip

    async def run_one(self) -> None:
        """One request in a random way, again and again while the server is busy. Notes what was wrong with it."""
        (way,) = self._rng.choices(list(self._ways), list(self._ways.values()))
        try:
            while True:
                try:
                    self._report.count(way.__name__, await way())
                    return
                except Busy as busy:
                    self._report.count(way.__name__, "429")
                    await asyncio.sleep(busy.seconds * self._rng.uniform(0.5, 1.5))
        except (Wrong, AssertionError, httpx.HTTPError, openai.OpenAIError, ValueError, KeyError) as error:
            self._report.fail(f"{way.__name__}: {type(error).__name__}: {str(error)[:2000]}")

    async def ask(self, body: Body) -> Said:
        """The whole answer."""
        began = time.monotonic()
        response = check_status(await self._http.post(PATH, json=body))
        self._report.latencies.append(time.monotonic() - began)
        return self._tokens(said(response.json()))

    async def whole(self) -> str:
        body, expected = self._rng.choice(self._known)
        return self._report.compare(await self.ask(body), expected, body)

    async def streamed(self, pause: float = 0.0) -> str:
        body, expected = self._rng.choice(self._known)
        chunks = []
        async for chunk in self._chunks(body):
            chunks.append(chunk)
            await asyncio.sleep(pause)
        return self._report.compare(self._tokens(fold(chunks)), expected, body)

    async def slowly(self) -> str:
        """A reader that takes its time, so that the server has more to say than the connection holds."""
        return await self.streamed(pause=0.05)

    async def by_openai(self) -> str:
        body, expected = self._rng.choice(self._known)
        rest = {name: value for name, value in body.items() if name != "messages"} | USAGE
        try:
            stream = await self._openai.chat.completions.create(
                model="tiny", messages=body["messages"], stream=True, extra_body=rest
            )
            chunks = [chunk.model_dump(exclude_unset=True) async for chunk in stream]
        except openai.RateLimitError as error:
            raise Busy(retry_after(error.response)) from error
        except openai.APIError as error:
            check_event({"message": error.message, "code": error.code})
            raise
        got = self._tokens(fold(chunks))
        return self._report.compare(got, expected, body)

    async def leaving(self) -> str:
        """Leaves a stream at a random point; what came is the beginning of the answer."""
        body, expected = self._rng.choice(self._known)
        most = self._rng.choice([0, 1, 2, 5, 20])
        texts = [""] * len(expected["choices"])
        chunks = self._chunks(body)
        async for chunk in chunks:
            for part in chunk["choices"]:
                texts[part["index"]] += part["delta"].get("content") or ""
            most -= 1
            if most < 0:
                break
        await chunks.aclose()
        begun = [choice["text"].startswith(text) for choice, text in zip(expected["choices"], texts, strict=True)]
        return self._report.judge(all(begun), f"{texts} do not begin {expected['choices']} of {body}")

    async def abandoning(self) -> str:
        """Hangs up after a random time, with or without an answer."""
        body, _ = self._rng.choice(self._known)
        try:
            async with asyncio.timeout(self._rng.expovariate(4)):
                await self.ask(body | self._rng.choice([{}, {"max_tokens": 500, "eos_token": [], "n": 4, "seed": 1}]))
        except TimeoutError:
            return "hung up"
        return "answered"

    async def refused(self) -> str:
        body, status = self._rng.choice(REFUSED)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        response = await self._http.post(PATH, content=content, headers={"content-type": "application/json"})
        if response.status_code == 429:
            raise Busy(retry_after(response))
        wrong = f"{response.status_code} instead of {status} for {content[:300]!r}"
        return self._report.judge(response.status_code == status and response.json()["error"]["message"], wrong)

    async def with_a_format_never_seen(self) -> str:
        """Its grammar is compiled while others run, and never used again."""
        pattern = f"x{self._rng.randrange(10**9)}(a|bc){{1,20}}"
        body = {"messages": self._rng.choice(self._known)[0]["messages"], "max_tokens": 100}
        got = await self.ask(body | {"response_format": {"type": "regex", "schema": pattern}, "temperature": 1})
        (choice,) = got["choices"]
        return self._report.judge(re.fullmatch(pattern, choice["text"]), f"{choice} is not a match of {pattern}")

    async def without_a_seed(self) -> str:
        """The answer names its seeds; `Report.unseeded` keeps some, to be asked again with them when it is quiet."""
        body, _ = self._rng.choice(self._known)
        without = {name: value for name, value in body.items() if name != "seed"}
        got = await self.ask(without)
        if len(self._report.unseeded) < 100:
            self._report.unseeded.append((without | {"seed": [choice["seed"] for choice in got["choices"]]}, got))
        return "answered"

    async def _chunks(self, body: Body) -> AsyncIterator[dict[str, Any]]:
        """Those of a stream, which must end as one does."""
        began, first, done = time.monotonic(), True, False
        async with self._http.stream("POST", PATH, json=body | USAGE) as response:
            if response.status_code != 200:
                await response.aread()
            check_status(response)
            async for line in response.aiter_lines():
                if done and line:
                    raise Wrong(f"{line!r} after [DONE]")
                if line == "data: [DONE]":
                    done = True
                elif line.startswith("data: "):
                    if first:
                        self._report.first_tokens.append(time.monotonic() - began)
                    first = False
                    yield self._read(line)
        if not done:
            raise Wrong("a stream ended without [DONE]")

    def _read(self, line: str) -> dict[str, Any]:
        chunk = json.loads(line.removeprefix("data: "))
        if "error" in chunk:
            check_event(chunk["error"])
            raise Wrong(f"an error in a stream: {chunk}")
        return chunk

    def _tokens(self, answer: Said) -> Said:
        self._report.tokens += answer["usage"]["completion_tokens"]
        return answer


def check_status(response: httpx.Response) -> httpx.Response:
    """A response that is 200; raises Busy, Wrong."""
    if response.status_code == 429:
        raise Busy(retry_after(response))
    if response.status_code != 200:
        raise Wrong(f"status {response.status_code}: {response.text[:500]}")
    return response


def check_event(error: dict[str, Any]) -> None:
    """Raises Busy for the error that ends a stream which had to begin before it was known that there is no room."""
    if error["code"] in FULL:
        raise Busy(float(re.search(r"try again in (\d+) s", error["message"])[1]))


def retry_after(response: httpx.Response) -> float:
    """Seconds; raises Wrong where a 429 does not say."""
    if "retry-after" not in response.headers:
        raise Wrong("429 without Retry-After")
    return float(response.headers["retry-after"])
