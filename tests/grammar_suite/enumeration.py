"""All short JSON texts made of a few scalars and keys, without whitespace: brute force needs nothing cleverer."""

import json
from collections.abc import Iterable, Sequence
from typing import Any


def texts(most: int, scalars: Iterable[str], keys: Sequence[str], depth: int, arrays_too: bool) -> list[str]:
    """Every text of at most `most` characters with at most `depth` containers around a value; arrays only if wanted.

    Keys come at most once in an object, and in the order of `keys`.
    """
    found = [scalar for scalar in scalars if len(scalar) <= most]
    if depth == 0:
        return found
    inner = texts(most - 2, scalars, keys, depth - 1, arrays_too)
    by_length = [[text for text in inner if len(text) == length] for length in range(most + 1)]
    bodies = _objects(most - 2, by_length, keys)
    found += [f"{{{body}}}" for body in ["", *bodies]]
    return found + ([f"[{body}]" for body in ["", *_arrays(most - 2, by_length)]] if arrays_too else [])


def _arrays(most: int, items: list[list[str]]) -> list[str]:
    """Items joined by commas."""
    found: list[list[str]] = [[]]
    for length in range(1, most + 1):
        longer = [
            f"{first},{rest}"
            for head in range(1, length - 1)
            for first in items[head]
            for rest in found[length - head - 1]
        ]
        found.append(items[length] + longer)
    return [body for group in found for body in group]


def _objects(most: int, items: list[list[str]], keys: Sequence[str]) -> list[str]:
    """Members joined by commas, made from the last key to the first."""
    found: list[str] = []
    for key in reversed(keys):
        head = json.dumps(key, ensure_ascii=False) + ":"
        sized = [(len(body) + 1, f",{body}") for body in found] + [(0, "")]
        found += [
            head + item + rest
            for size, rest in sized
            for length in range(1, most - len(head) - size + 1)
            for item in items[length]
        ]
    return found


def strings(characters: str, most: int) -> list[str]:
    """The texts of every string of up to `most` of the characters."""
    found = [""]
    for _ in range(most):
        found += [shorter + character for shorter in found for character in characters]
    return [json.dumps(value, ensure_ascii=False) for value in dict.fromkeys(found)]


def numbers(alphabet: str, most: int) -> list[str]:
    """Every JSON number of up to `most` characters of the alphabet."""
    words, found = [""], []
    for _ in range(most):
        words = [word + character for word in words for character in alphabet]
        found += [word for word in words if _is_number(word)]
    return found


def _is_number(word: str) -> bool:
    try:
        value: Any = json.loads(word)
    except ValueError:
        return False
    return isinstance(value, (int, float))
