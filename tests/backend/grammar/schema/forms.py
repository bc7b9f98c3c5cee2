"""Arguments in the form of each dialect, written and read back without the grammar."""

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import jsonschema

from backend.grammar.schema import PYTHON, Dialect, quoted, tagged


@dataclass(frozen=True)
class Form:
    """write: an object as it is written. readings: what may have been meant, most often one thing; fails for others.

    exact: whether an object is never written as another one is. nested: whether objects inside may have any names.
    """

    dialect: Dialect
    write: Callable[[dict], bytes]
    readings: Callable[[bytes], list[dict]]
    exact: bool = True
    nested: bool = True


# Python


def write_json(value: Any, words: tuple[str, str, str] = ("null", "false", "true")) -> str:
    """JSON, the words for None and Boolean values aside."""
    match value:
        case None:
            return words[0]
        case bool():
            return words[1 + value]
        case list():
            return f"[{', '.join(write_json(item, words) for item in value)}]"
        case dict():
            return f"{{{', '.join(f'{json.dumps(k)}: {write_json(v, words)}' for k, v in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def write_python(arguments: dict) -> bytes:
    pairs = [f"{name}={write_json(value, ('None', 'False', 'True'))}" for name, value in arguments.items()]
    return ", ".join(pairs).encode()


def read_python(text: bytes) -> dict:
    call = ast.parse(f"f({text.decode()})", mode="eval").body
    assert isinstance(call, ast.Call)
    assert not call.args
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}


# Raw strings between quotes


def write_quoted(value: Any, quote: bytes) -> bytes:
    match value:
        case str():
            return quote + value.encode() + quote
        case list():
            return b"[" + b",".join(write_quoted(item, quote) for item in value) + b"]"
        case dict():
            pairs = [name.encode() + b":" + write_quoted(item, quote) for name, item in value.items()]
            return b"{" + b",".join(pairs) + b"}"
    return json.dumps(value).encode()


class QuotedReader:
    """Reads one value."""

    def __init__(self, text: bytes, quote: bytes) -> None:
        self.text, self.quote = text, quote

    def all(self) -> Any:
        value = self.value()
        assert not self.text
        return value

    def skip(self, token: bytes) -> bool:
        found = self.text.startswith(token)
        self.text = self.text[len(token) * found :]
        return found

    def until(self, stops: bytes) -> bytes:
        end = next((i for i, byte in enumerate(self.text) if byte in stops), len(self.text))
        taken, self.text = self.text[:end], self.text[end:]
        return taken

    def value(self) -> Any:
        if self.skip(self.quote):
            string, _, self.text = self.text.partition(self.quote)
            return string.decode()
        if self.skip(b"["):
            return [item for _, item in self.items(b"]", lambda: None)]
        if self.skip(b"{"):
            return dict(self.items(b"}", self.name))
        return strict(self.until(b",]}"))

    def name(self) -> str:
        name = self.until(b":").decode()
        assert self.skip(b":")
        return name

    def items(self, close: bytes, name: Callable[[], Any]) -> list[tuple[Any, Any]]:
        items: list[tuple[Any, Any]] = []
        while not self.skip(close):
            assert not items or self.skip(b",")
            items.append((name(), self.value()))
        return items


# Tags


class Tags(NamedTuple):
    """The arguments of `tagged`."""

    open: bytes
    key_end: bytes
    value_open: bytes
    close: bytes
    between: bytes
    newline: bool
    kinds: tuple[tuple[bytes, bool], ...] | None = None

    @property
    def edge(self) -> bytes:
        return b"\n" if self.newline else b""


def write_tagged(arguments: dict, tags: Tags) -> bytes:
    written = []
    for name, value in arguments.items():
        is_text = isinstance(value, str)
        before = tags.value_open if tags.kinds is None else next(kind for kind, texts in tags.kinds if texts == is_text)
        text = value if is_text else json.dumps(value)
        written.append(tags.open + name.encode() + tags.key_end + before + tags.edge + text.encode() + tags.edge)
    return tags.between.join(text + tags.close for text in written)


def split_tagged(text: bytes, tags: Tags) -> list[tuple[str, bool | None, bytes]]:
    """Name, whether the value is said to be a string, and the value, of each property."""
    found: list[tuple[str, bool | None, bytes]] = []
    kinds = tags.kinds or ((tags.value_open, None),)
    while text:
        before = (tags.between if found else b"") + tags.open
        assert text.startswith(before)
        name, end, text = text[len(before) :].partition(tags.key_end)
        assert end
        before, is_text = next((kind, is_text) for kind, is_text in kinds if text.startswith(kind + tags.edge))
        value, end, text = text[len(before + tags.edge) :].partition(tags.close)
        assert end
        assert value.endswith(tags.edge)
        found.append((name.decode(), is_text, value.removesuffix(tags.edge)))
    return found


def read_tagged(text: bytes, tags: Tags) -> list[dict]:
    """Every reading: a value that nothing is said of may be a string, and may be JSON."""
    found = split_tagged(text, tags)
    values = [
        ([] if is_text else json_values(value)) + ([] if is_text is False else [value.decode()])
        for _, is_text, value in found
    ]
    return [dict(zip([name for name, _, _ in found], chosen, strict=True)) for chosen in product(*values)]


def read_tagged_by_schema(text: bytes, tags: Tags, schema: dict) -> dict:
    """The usual reading: JSON where that satisfies the property's schema, else a string."""
    arguments = {}
    for name, _, value in split_tagged(text, tags):
        validator = jsonschema.Draft202012Validator(schema).evolve(schema=schema["properties"].get(name, True))
        arguments[name] = next(filter(validator.is_valid, json_values(value)), value.decode())
    return arguments


def json_values(text: bytes) -> list[Any]:
    """The value of a JSON text, if it is one."""
    try:
        return [strict(text)]
    except ValueError:
        return []


def strict(text: bytes) -> Any:
    """JSON without the words that only Python knows."""
    return json.loads(text, parse_constant=lambda name: json.loads(f"no {name}"))


SPELLED = b"\xff\x80\x80\x80\xb4"
TAGS = {
    "lines": Tags(b"<parameter=", b">", b"", b"</parameter>", b"\n", True),
    "pairs": Tags(b"<arg_key>", b"</arg_key>", b"\n<arg_value>", b"</arg_value>", b"\n", False),
    "control token": Tags(b"<", b">", b"", SPELLED, b"", False),
    "short": Tags(b"<", b">", b"", b"</", b"", False),
    "repeating": Tags(b"<", b">", b"", b"::", b"", False),
    "bracket": Tags(b"[", b">", b"", b"[/]", b",", False),
    "kinds": Tags(b'<p name="', b'" string="', b"", b"</p>", b"\n", False, ((b'true">', True), (b'false">', False))),
}
FORMS = {
    "python": Form(PYTHON, write_python, lambda text: [read_python(text)]),
    **{
        name: Form(
            quoted(quote),
            lambda value, quote=quote: write_quoted(value, quote),
            lambda text, quote=quote: [QuotedReader(text, quote).all()],
            nested=False,
        )
        for name, quote in {"quoted": b"|", "quoted at length": b'<|"|>', "quoted by control tokens": SPELLED}.items()
    },
    **{
        name: Form(
            tagged(*tags),
            lambda value, tags=tags: write_tagged(value, tags),
            lambda text, tags=tags: read_tagged(text, tags),
            exact=tags.kinds is not None,
        )
        for name, tags in TAGS.items()
    },
}
