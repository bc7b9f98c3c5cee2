"""A chat over raw HTTP in which every answer is checked against the merged document, and the fold of its streams."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import jsonschema_rs
import pytest

from handlers.http.spec import load_document

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]
ROWS, CONTEXT, QUEUE = 8, 1024, 256
TIMEOUT = 120  # seconds; a busy machine is slow, and this still ends
DOCUMENT = load_document()


def validator(name: str) -> jsonschema_rs.Draft202012Validator:
    """Of one schema of the merged document."""
    components = DOCUMENT["components"]
    return jsonschema_rs.Draft202012Validator({**components["schemas"][name], "components": components})


RESULT, CHUNK, ERROR = map(validator, ("ContainerChatCompleteSuccess", "ChatCompletionChunk", "Error"))
TEXT_CHUNK = validator("CompletionChunk")


class Chat:
    """Calls with parameters of the body; `messages` is a greeting unless it is given."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def post(self, **parameters: Any) -> httpx.Response:
        """The response, whatever it is."""
        return self.client.post(PATH, json={"messages": HELLO, **parameters})

    def whole(self, **parameters: Any) -> dict[str, Any]:
        """The answer in one piece."""
        response = self.post(**parameters)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        answer = strict(response.text)
        RESULT.validate(answer)
        return answer

    def chunks(self, **parameters: Any) -> list[dict[str, Any]]:
        """The chunks of the answer as a stream."""
        response = self.post(**parameters, stream=True)
        assert response.status_code == 200, response.text
        return read_stream(response)

    def refused(self, **parameters: Any) -> dict[str, Any]:
        """The `error` of the 422."""
        response = self.post(**parameters)
        assert response.status_code == 422, response.text
        return read_error(response)


def read_error(response: httpx.Response) -> dict[str, Any]:
    """The `error` of an error response."""
    assert response.headers["content-type"] == "application/json"
    body = strict(response.text)
    ERROR.validate(body)
    assert body["message"] == body["error"]["message"] != ""
    return body["error"]


def read_stream(response: httpx.Response) -> list[dict[str, Any]]:
    """The chunks of a stream of events, in which only comments and one line of data per event may be."""
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.text.endswith("data: [DONE]\n\n")
    events = [event for event in response.text.removesuffix("\n\n").split("\n\n") if not event.startswith(":")]
    assert all(re.fullmatch(r"data: [^\n]+", event) for event in events)
    chunks = [strict(event.removeprefix("data: ")) for event in events[:-1]]
    for chunk in chunks:
        (TEXT_CHUNK if chunk["object"] == "text_completion" else CHUNK).validate(chunk)
    return chunks


def strict(text: str) -> Any:
    """JSON without NaN and infinities, which Python would read."""
    return json.loads(text, parse_constant=lambda name: (_ for _ in ()).throw(ValueError(name)))


def fold(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """What a stream with include_usage says, as `said` has it; checks the order of its chunks."""
    *chunks, last = chunks
    assert last["choices"] == [] and all(chunk["usage"] is None for chunk in chunks)
    choices: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        (part,) = chunk["choices"]
        if part["index"] not in choices:
            assert part["delta"]["role"] == "assistant"
            choices[part["index"]] = {
                "text": "", "reasoning": "", "calls": [], "finish_reason": None, "logprobs": [], "seed": part["seed"],
            }  # fmt: skip
        else:
            assert "role" not in part["delta"]
        choice = choices[part["index"]]
        assert choice["finish_reason"] is None and choice["seed"] == part["seed"]
        choice["text"] += part["delta"].get("content") or ""
        choice["reasoning"] += part["delta"].get("reasoning_content") or ""
        for call in part["delta"].get("tool_calls") or []:
            if call.get("id"):
                assert call["index"] == len(choice["calls"])
                choice["calls"].append([call["function"]["name"], ""])
            choice["calls"][call["index"]][1] += call["function"]["arguments"]
        choice["logprobs"] += _entries(part)
        choice["finish_reason"] = part["finish_reason"]
        assert part["finish_reason"] is None or part["delta"] == {}
    return {"choices": [choices[index] for index in sorted(choices)], "usage": last["usage"]}


def said(answer: dict[str, Any]) -> dict[str, Any]:
    """What a whole answer says, without its id and its time."""
    assert [choice["index"] for choice in answer["choices"]] == list(range(len(answer["choices"])))
    choices = [
        {
            "text": choice["message"]["content"] or "",
            "reasoning": choice["message"].get("reasoning_content", ""),
            "calls": [
                [call["function"]["name"], call["function"]["arguments"]]
                for call in choice["message"].get("tool_calls", [])
            ],
            "finish_reason": choice["finish_reason"],
            "logprobs": _entries(choice),
            "seed": choice["seed"],
        }
        for choice in answer["choices"]
    ]
    return {"choices": choices, "usage": answer["usage"]}


def _entries(choice: dict[str, Any]) -> list[dict[str, Any]]:
    """All log-probabilities of a choice or of a chunk's choice, those of reasoning first."""
    found = choice["logprobs"] or {}
    return [*found.get("reasoning_content", []), *found.get("content", [])]


def assert_alike(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Two answers, as `said` or `fold` has them, say the same; only log-probabilities may be rounded differently.

    Batches of different sizes run different programs, which add up in a different order. How much of a prompt was in
    the cache depends on what was asked before.
    """
    assert _without_numbers(first) == _without_numbers(second)
    assert _numbers(first) == pytest.approx(_numbers(second), abs=1e-4, rel=1e-5)


def _without_numbers(answer: dict[str, Any]) -> dict[str, Any]:
    choices = [
        {**choice, "logprobs": [(entry["token"], entry["bytes"]) for entry in choice["logprobs"]]}
        for choice in answer["choices"]
    ]
    usage = {name: count for name, count in answer["usage"].items() if name != "prompt_tokens_details"}
    return {"choices": choices, "usage": usage}


def _numbers(answer: dict[str, Any]) -> list[float]:
    entries = [entry for choice in answer["choices"] for entry in choice["logprobs"]]
    return [item["logprob"] for entry in entries for item in (entry, *entry["top_logprobs"])]


def text(answer: dict[str, Any]) -> str:
    """Of the only choice."""
    (choice,) = answer["choices"]
    return choice["message"]["content"]


def ending(answer: dict[str, Any]) -> tuple[int, str]:
    """Tokens drawn, and the finish reason of the only choice."""
    (choice,) = answer["choices"]
    return answer["usage"]["completion_tokens"], choice["finish_reason"]


def wait_until(condition: Callable[[], Any], seconds: float = TIMEOUT) -> None:
    """Returns when the condition is true, and fails after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
