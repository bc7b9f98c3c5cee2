"""What the clients ask for: bodies whose answers can be known beforehand, and bodies that must be refused."""

import random
from itertools import takewhile
from typing import Any

from tests.conformance.bodies import TREE
from training.draw import Draw
from training.tiny.tasks.conversation import conversation

Body = dict[str, Any]
CONTEXT = 1024
"""Of the bundled model. The longest prompt here has some 700 tokens."""
CITY = {
    "type": "object",
    "properties": {"city": {"enum": ["Oslo", "Paris", "Rome"]}, "people": {"type": "integer", "minimum": 0}},
    "required": ["city"],
}
FORMATS: tuple[Body, ...] = (
    {"type": "json_object"},
    {"type": "regex", "schema": "[a-z ]{2,30}[.!?]"},
    {"type": "regex", "schema": "([0-9]{1,3}, )*and [0-9]+"},
    {"type": "grammar", "grammar": 'root ::= "(" root ")" | root "+" root | [0-9]{1,3}'},
    {"type": "json_schema", "json_schema": {"schema": CITY}},
    {"type": "json_schema", "json_schema": {"schema": TREE}},
)
SAMPLING: dict[str, tuple[Any, ...]] = {
    "temperature": (0, 0, 0.7, 1, 1.5),
    "top_k": (0, 1, 20, 200),
    "top_p": (1, 0.9, 0.3),
    "min_p": (0, 0.05),
    "repetition_penalty": (1, 1.2),
    "presence_penalty": (0, 0.5),
    "frequency_penalty": (0, 0.3, -0.2),
    "logit_bias": ({}, {"300": 3, "400": -100}),
}
XTC = {"xtc_threshold": 0.1, "xtc_probability": 0.5}


def catalogue(count: int) -> list[Body]:
    """Bodies with seeds, always the same ones: mixed lengths, parameters, choices and formats."""
    rng = random.Random(count)
    documents = [_document(rng, words) for words in (10, 40, 80)]
    return [_body(rng, documents) for _ in range(count)]


def _document(rng: random.Random, words: int) -> str:
    """Text that the beginnings of several prompts have in common."""
    return Draw(rng).words(words, words + 5)


def _body(rng: random.Random, documents: list[str]) -> Body:
    talk = conversation(Draw(rng))
    plain = takewhile(lambda message: "tool_calls" not in message, talk.prompt)
    messages: list[Body] = [{"role": message["role"], "content": message["content"]} for message in plain]
    if rng.random() < 0.4 and messages[0]["role"] != "system":
        messages.insert(0, {"role": "system", "content": rng.choice(documents)})
    body: Body = {"messages": messages, "n": rng.choice([1, 1, 1, 1, 2, 4])}
    body["max_tokens"] = rng.choice([1, 4, 16, 16, 50, 50, 120, 250])
    body["seed"] = rng.randrange(2**53) if rng.random() < 0.7 else [rng.randrange(2**53) for _ in range(body["n"])]
    for name in rng.sample(sorted(SAMPLING), rng.randrange(4)):
        body[name] = rng.choice(SAMPLING[name])
    return body | rng.choice([{}, {}, {}, XTC]) | _extras(rng, body, talk.tools)


def _extras(rng: random.Random, body: Body, tools: list[Body] | None) -> Body:
    """At most one of what excludes the others, and log-probabilities and stop strings beside it."""
    extras: Body = {}
    if tools:
        extras["tools"] = tools
    elif rng.random() < 0.35:
        extras["response_format"] = rng.choice(FORMATS)
    elif rng.random() < 0.4:
        extras["eos_token"] = []
    elif rng.random() < 0.3:
        extras["min_tokens"] = min(8, body["max_tokens"])
    if rng.random() < 0.25:
        extras |= {"logprobs": True, "top_logprobs": rng.choice([0, 1, 5, 20])}
    if rng.random() < 0.2:
        extras["stop"] = rng.choice([["."], ["e", "zz"], [" is", "\n"]])
    return extras


HELLO = [{"role": "user", "content": "Hello!"}]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
REFUSED: tuple[tuple[Body | bytes, int], ...] = (
    ({}, 422),
    (b"", 422),
    (b"{", 422),
    (b"[" * 50_000, 422),
    ({"messages": []}, 422),
    ({"messages": HELLO, "n": 0}, 422),
    ({"messages": HELLO, "n": 129}, 422),
    ({"messages": HELLO, "top_p": 0}, 422),
    ({"messages": HELLO, "temperature": "hot", "stream": True}, 422),
    ({"messages": HELLO, "max_tokens": CONTEXT}, 422),
    ({"messages": [{"role": "user", "content": "again " * 3000}]}, 422),
    ({"messages": [{"role": "user", "content": [IMAGE]}], "stream": True}, 422),
    ({"messages": HELLO, "logit_bias": {"99999": 1}}, 422),
    ({"messages": HELLO, "response_format": {"type": "regex", "schema": "(?=a)b"}}, 422),
    ({"messages": HELLO, "response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}}, 422),
    ({"messages": HELLO, "model": "nobody"}, 404),
)
"""Each with the status of its answer."""
