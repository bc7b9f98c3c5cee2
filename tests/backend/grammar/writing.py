"""What strings of tokens can write, without an automaton: the oracle of what a grammar leads to."""

import json
from collections.abc import Collection, Iterable
from itertools import product
from typing import Any

from backend.grammar.automaton.run import Configuration, Runner


def can_cut(text: bytes, tokens: Collection[bytes]) -> bool:
    """Whether `text` is one token after the other."""
    known = {token for token in tokens if token}
    ends = {0}
    for end in range(1, len(text) + 1):
        if any(start in ends and text[start:end] in known for start in range(end)):
            ends.add(end)
    return len(text) in ends


def reached(runner: Runner, tokens: Iterable[bytes], longest: int = 64) -> tuple[set[bytes], set[bytes]]:
    """The strings to which allowed tokens lead, and the words among them; none may be longer than `longest` bytes."""
    known = sorted({token for token in tokens if token})
    found: dict[bytes, Configuration] = {b"": runner.start}
    frontier = [b""]
    while frontier:
        text = frontier.pop()
        assert len(text) <= longest, "not a finite language"
        for token in known:
            if text + token not in found and (after := runner.run(token, found[text])) is not None:
                found[text + token] = after
                frontier.append(text + token)
    return set(found), {text for text, at in found.items() if runner.complete(at)}


def dead_ends(strings: set[bytes], words: set[bytes]) -> set[bytes]:
    """The strings from which no tokens lead to a word, all words being short enough to be known."""
    return strings - {word[:size] for word in words for size in range(len(word) + 1)}


def json_texts(value: Any, tokens: Collection[bytes]) -> list[bytes]:
    """Compact JSON of a value as these tokens can write it, none where they cannot.

    Characters that need no escape have one only where they cannot be written without.
    """
    if isinstance(value, str):
        parts = [b'"', *map(_spellings_in(tokens), value), b'"']
        texts = [b"".join(choice) for choice in product(*([p] if isinstance(p, bytes) else p for p in parts))]
    elif isinstance(value, dict):
        members = [
            [key + b":" + item for key in json_texts(name, tokens)[:1] for item in json_texts(of_name, tokens)]
            for name, of_name in value.items()
        ]
        texts = [b"{" + b",".join(choice) + b"}" for choice in product(*members)]
    else:
        texts = [json.dumps(value).encode()]
    return [text for text in texts if can_cut(text, tokens)]


def _spellings_in(tokens: Collection[bytes]):
    def spellings(char: str) -> list[bytes]:
        plain = json.dumps(char, ensure_ascii=False)[1:-1].encode()
        if len(plain) < 6 and can_cut(plain, tokens):
            return [plain]
        units = char.encode("utf-16-be").hex()
        forms = ["".join(f"\\u{unit}" for unit in (units[:4], units[4:]) if unit) for units in (units, units.upper())]
        return [form for form in dict.fromkeys(map(str.encode, forms)) if can_cut(form, tokens)]

    return spellings
