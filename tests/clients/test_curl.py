"""curl, as people call it: compressed both ways, in HTTP/1.0, streaming."""

import gzip
import json
import subprocess

import pytest

pytestmark = pytest.mark.clients

BODY = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "temperature": 0, "seed": 1}


@pytest.fixture
def curl(url):
    """What curl writes for a body, given by standard input."""

    def curl(body, *options):
        json_type = ("-H", "Content-Type: application/json")
        command = [
            "curl",
            "-sS",
            "--fail-with-body",
            *options,
            *json_type,
            "--data-binary",
            "@-",
            f"{url}/chat/completions",
        ]
        done = subprocess.run(command, input=body, capture_output=True, timeout=60, check=True)
        return done.stdout

    return curl


@pytest.fixture
def text(curl):
    return json.loads(curl(json.dumps(BODY).encode()))["choices"][0]["message"]["content"]


WAYS = [
    ("--compressed",),
    ("--http1.0",),
    ("--http1.1", "-N"),
    ("-H", "Expect: 100-continue"),
    ("-H", "Connection: close"),
]


@pytest.mark.parametrize("options", WAYS)
def test_an_answer_is_the_same_however_it_is_asked_for(curl, text, options):
    answer = json.loads(curl(json.dumps(BODY).encode(), *options))
    assert answer["choices"][0]["message"]["content"] == text != ""


@pytest.mark.parametrize("options", WAYS)
def test_so_is_a_stream(curl, text, options):
    events = curl(json.dumps({**BODY, "stream": True}).encode(), *options).decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == text


def test_a_body_may_come_compressed(curl, text):
    answer = json.loads(curl(gzip.compress(json.dumps(BODY).encode()), "-H", "Content-Encoding: gzip"))
    assert answer["choices"][0]["message"]["content"] == text
