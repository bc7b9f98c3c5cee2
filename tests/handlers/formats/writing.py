"""Answers written as models write them, from the terms in which the parser knows them; and what is read of a text."""

import json
import re
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby, pairwise

from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.parser import OutputParser
from handlers.formats.segments import CallArguments, CallStart, Content, Reasoning
from handlers.formats.syntax import (
    Format,
    Identifier,
    JsonArguments,
    JsonCall,
    Name,
    Number,
    Optional,
    PythonArguments,
    QuotedArguments,
    Space,
    TaggedArguments,
)

SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "count": {"type": "integer"},
        "amount": {"type": ["number", "null"]},
        "really": {"$ref": "#/$defs/flag"},
        "list": {"type": "array", "items": {"type": "string"}},
        "object": {"type": "object"},
    },
    "$defs": {"flag": {"type": "boolean"}},
}
TOOLS = {"get": SCHEMA, "get_weather": SCHEMA, "mail-2": SCHEMA}
FAMILIES = [name for name in TOOL_SYNTAXES if name != "none"]
REASONING = {"mistral": "mistral", "mistral-list": "mistral", "gemma4": "gemma4", "harmony": "harmony"}


@cache
def format_of(family, reasoning=None):
    reasoning = reasoning or REASONING.get(family, "think")
    flow = "channels" if family == "harmony" else "text"
    return Format(TOOL_SYNTAXES[family], REASONING_SYNTAXES[reasoning], flow, family, reasoning)


# Writing


@dataclass
class Hand:
    """A way of writing. spaces: what stands for white space, in turn, instead of the usual."""

    spaces: list[str] = field(default_factory=list)
    ascii: bool = False
    separators: tuple[str, str] = (", ", ": ")

    def __post_init__(self):
        self.spaces = list(self.spaces)

    def space(self, usual):
        return self.spaces.pop() if self.spaces else usual

    def json(self, value):
        return json.dumps(value, ensure_ascii=self.ascii, separators=self.separators)


def write_calls(syntax, calls, hand=None):
    """calls: name and arguments of each."""
    hand = hand or Hand()
    written = [_parts(syntax.call, *call, index, hand) for index, call in enumerate(calls)]
    text = _parts(syntax.begin, None, None, 0, hand) + written[0]
    for call in written[1:]:
        text += _parts(syntax.between, None, None, 0, hand) + call
    return text + _parts(syntax.end, None, None, 0, hand)


def write_answer(format, reasoning, content, calls, syntax=None, hand=None):
    """reasoning, content: text, None where there is none; calls: nothing, or as above."""
    hand = hand or Hand()
    called = write_calls(syntax or format.tools[0], calls, hand) if calls else ""
    if format.flow == "channels":
        said = [] if reasoning is None else [f"<|channel|>analysis<|message|>{reasoning}<|end|>"]
        said += [] if content is None else [f"<|channel|>final<|message|>{content}<|end|>"]
        return "<|start|>assistant".join([*said, *([called] if calls else [])])
    marks = format.reasoning
    thought = "" if reasoning is None else marks.open + hand.space("\n") + reasoning + hand.space("\n") + marks.close
    return thought + (content or "") + called


def _parts(parts, name, arguments, index, hand):
    return "".join(_part(part, name, arguments, index, hand) for part in parts)


def _part(part, name, arguments, index, hand):
    match part:
        case str():
            return part
        case Space():
            return hand.space(part.usual)
        case Optional():
            return part.text
        case Name():
            return name
        case Number():
            return str(index)
        case Identifier():
            return f"id{index}"
        case JsonArguments():
            return hand.json(arguments)
        case JsonCall():
            return hand.json({"name": name, part.arguments[0]: arguments})
        case PythonArguments():
            return ", ".join(f"{key}={value!r}" for key, value in arguments.items()) + ")"
        case QuotedArguments():
            return _quoted(arguments, part.quote, bare=True)
        case TaggedArguments():
            return "".join(_tag(part, key, value, hand) for key, value in arguments.items())
    raise AssertionError(part)


def _tag(part, key, value, hand):
    text = value if isinstance(value, str) else hand.json(value)
    opening = next((kind for kind, is_text in part.kinds if is_text is isinstance(value, str)), None)
    opening = opening or ((hand.space("\n") if part.value_open else "") + part.value_open)
    newline = "\n" if part.newline else ""
    return f"{part.open}{key}{part.key_end}{opening}{newline}{text}{newline}{part.close}{hand.space(chr(10))}"


def _quoted(value, quote, bare=False):
    match value:
        case str():
            return quote + value + quote
        case dict():
            keys = {key: key if bare else quote + key + quote for key in value}
            return "{" + ",".join(f"{keys[key]}:{_quoted(item, quote)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ",".join(_quoted(item, quote) for item in value) + "]"
    return json.dumps(value)


# Reading


@dataclass
class Read:
    """segments: neighbours of one kind are merged; each is its kind, its text and, of a call, its number and name."""

    segments: list[tuple]
    spans: list[tuple[int, int]]

    def joined(self, kind):
        return "".join(text for its_kind, text, *_ in self.segments if its_kind is kind)

    @property
    def content(self):
        return self.joined(Content)

    @property
    def reasoning(self):
        return self.joined(Reasoning)

    @property
    def calls(self):
        """Name and text of the arguments of each."""
        texts = {}
        for kind, text, index, name in self.segments:
            if kind is CallStart:
                assert index == len(texts)
                texts[index] = (name, "")
            elif kind is CallArguments:
                texts[index] = (texts[index][0], texts[index][1] + text)
        return list(texts.values())

    @property
    def parsed(self):
        return [(name, json.loads(text)) for name, text in self.calls]


def pieces_of(format, text, cuts=(), tools=TOOLS, opened=False, **options):
    """(the segments of each feed and, last, of the end; the parser)."""
    parser = OutputParser(format, tools, opened=opened, new_id=lambda index: f"call_{index}", **options)
    bounds = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    fed = [parser.feed(text[start:end]) for start, end in pairwise(bounds)]
    return [*fed, parser.finish()], parser


def read(format, text, cuts=(), tools=TOOLS, opened=False):
    fed, parser = pieces_of(format, text, cuts, tools, opened)
    segments = [segment for some in fed for segment in some]
    check_conserved(format, text, segments, tools, opened)
    return Read(merged(segments), parser.reasoning_spans)


def merged(segments):
    described = [_described(segment) for segment in segments]
    groups = [(key, list(group)) for key, group in groupby(described, key=lambda of: (of[0], *of[2:]))]
    return [(key[0], "".join(of[1] for of in group), *key[1:]) for key, group in groups]


def _described(segment):
    match segment:
        case CallStart(index=index, name=name, id=id):
            assert id == f"call_{index}"
            return CallStart, "", index, name
        case CallArguments(index=index, fragment=fragment):
            return CallArguments, fragment, index, None
    return type(segment), segment.text, None, None


# Nothing is lost


def check_conserved(format, text, segments, tools, opened):
    """Segments are in order, text stands where it says, and between them is nothing but structure."""
    behind = 0
    for segment in segments:
        assert behind <= segment.start <= segment.end
        assert _is_structure(format, text[behind : segment.start], tools, at_end=False), text[behind : segment.start]
        if isinstance(segment, Content | Reasoning):
            assert text[segment.start : segment.end] == segment.text != ""
        behind = segment.end
    in_call = bool(segments) and isinstance(segments[-1], CallStart | CallArguments)
    assert _is_structure(format, text[behind:], tools, at_end=in_call or format.flow == "channels"), text[behind:]


def _is_structure(format, gap, tools, at_end):
    """at_end: the last marker may be unfinished, and so may what stands behind the arguments in a call's object, and a
    header of a channel.
    """
    markers, pattern = _structure(format, tuple(tools))
    if at_end and format.flow == "channels":
        gap = re.sub(rf"functions\.({'|'.join(tools) or '(?!)'})\b", "", gap)
        gap = re.sub(r"(<\|channel\|>|<\|constrain\|>)\w+", r"\1", gap)
        markers = [*markers, *tools]
    rest = gap[pattern.match(gap).end() :]
    if not at_end or rest == "":
        return rest == ""
    in_object = any(isinstance(part, JsonCall) for syntax in format.tools for part in syntax.call)
    return any(marker.startswith(rest) for marker in markers) or (in_object and rest[0] in '"1')


@cache
def _structure(format, tools):
    """All markers of a format, and what matches a sequence of them with white space and what else is structure."""
    parts = [part for syntax in format.tools for part in (*syntax.begin, *syntax.call, *syntax.between, *syntax.end)]
    markers = [part.text if isinstance(part, Optional) else part for part in parts if isinstance(part, str | Optional)]
    if format.reasoning:
        markers += [format.reasoning.open, format.reasoning.close]
    others = [r"\s+"]
    if any(isinstance(part, Number | Identifier) for part in parts):
        others.append("[0-9A-Za-z]+")
    if any(isinstance(part, JsonCall) for part in parts):
        strings = ["name", "arguments", "parameters", "id", "1", *tools]
        others += ["[{}:,]", *(f'"{string}"' for string in strings)]
    if format.flow == "channels":
        markers += ["<|start|>assistant", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>"]
        markers += ["<|return|>", "to=", "functions."]
        others += ["analysis", "commentary", "final", "json"]
    markers.sort(key=len, reverse=True)
    return markers, re.compile("(?:" + "|".join([*map(re.escape, markers), *others]) + ")*")
