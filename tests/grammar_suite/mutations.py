"""JSON texts a little wrong: values with one thing changed, and texts with one byte changed."""

import copy
import json
import random
from typing import Any

from tests.grammar_suite.spelling import dumps

SCALARS = (None, True, False, 0, 1, -1, 2, 10, 1.5, -0.5, "", "a", "é", "\n", '"', "\\", [], {}, [1], {"a": 1})
BYTES = b'{}[]",:\\ntrue0123456789-.e+ a\x00\x1f\x7f\x80\xc3\xed\xf0\xff'


def is_canonical(text: bytes) -> bool:
    """Whether a text is the one compact spelling of a JSON value, numbers in plain decimals, each key once."""
    try:
        value = json.loads(text.decode(), object_pairs_hook=_distinct, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return dumps(value) == text and all(isinstance(x, int) or "e" not in repr(x) for x in _numbers(value))


def changed_value(value: Any, draw: random.Random) -> Any:
    """A copy of `value` with one place changed: replaced, left out, doubled, or a character or number altered."""
    whole = [copy.deepcopy(value)]
    places = list(_places(whole))[:500]
    holder, key = draw.choice(places)
    kind = draw.randrange(4)
    if kind == 0 and holder is not whole:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[draw.choice(["", "a", "x-1", f"{key}s", key[:-1]])] = holder[key]
    elif kind == 1 and holder is not whole:
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == 2:
        holder[key] = draw.choice(SCALARS)
    else:
        holder[key] = _altered(holder[key], draw)
    return whole[0]


def changed_bytes(text: bytes, draw: random.Random) -> bytes:
    """`text` with one byte put in, left out or replaced, or cut off."""
    at, byte = draw.randrange(len(text) + 1), bytes([draw.choice(BYTES)])
    kind = draw.randrange(4)
    if kind == 3:
        return text[:at]
    return text[:at] + (byte if kind < 2 else b"") + text[at + (kind > 0) :]


def _altered(value: Any, draw: random.Random) -> Any:
    if isinstance(value, str):
        at = draw.randrange(len(value) + 1)
        return value[:at] + draw.choice(["", "x", "0", "-", " ", "é"]) + value[at + draw.randrange(2) :]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return draw.choice(SCALARS)
    return draw.choice([value + 1, value - 1, -value, value * 10, value / 2, str(value)])


def _places(holder: Any):
    """(container, key or index) of each value inside `holder`."""
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    for key in keys:
        yield holder, key
        if isinstance(holder[key], (dict, list)):
            yield from _places(holder[key])


def _numbers(value: Any):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) != len({name for name, _ in pairs}):
        raise ValueError("a key twice")
    return dict(pairs)


def _refuse(name: str) -> None:
    raise ValueError(name)
