"""Calls, or their arguments, that are JSON: passed on as they come where that is possible."""

from handlers.formats.call_writer import Call, CallWriter
from handlers.formats.json_reading import json_string, json_value, object_text
from handlers.formats.json_text import JsonText
from handlers.formats.source import Malformed, Reading, Source
from handlers.formats.syntax import JsonCall


def json_arguments(source: Source, out: CallWriter, call: Call, *, pass_on: bool = True) -> Reading[None]:
    """Reads an object, or a string that holds the text of one, or null. pass_on: an object as it comes.

    Raises Malformed, also for a call that has arguments already.
    """
    if call.arguments is not None:
        raise Malformed
    start = source.pos
    if pass_on and (yield from source.next()) == "{":
        yield from _pass_on(source, out, call)
        call.arguments = ""
    else:
        call.arguments = object_text((yield from json_value(source)))
    call.arguments_at = (start, source.pos)


def json_call(source: Source, out: CallWriter, call: Call, syntax: JsonCall) -> Reading[None]:
    """Reads an object with name and arguments; they are passed on where nothing but the name came before them.

    Raises Malformed.
    """
    yield from source.expect("{")
    try:
        yield from _members(source, out, call, syntax)
    except Malformed:
        if call.begun and call.arguments is not None:  # what is wrong stands behind them
            source.seek(call.arguments_at[1])
        raise
    if not call.name:
        raise Malformed
    if call.arguments is None:
        call.arguments_at = (source.pos, source.pos)


def _pass_on(source: Source, out: CallWriter, call: Call) -> Reading[None]:
    out.begin(call, source.pos)
    grammar = JsonText()
    while not grammar.done:
        source.through(grammar.feed)
        out.fragment(source.pos)
        if grammar.failed or not (grammar.done or (yield from source.more())):
            out.end_fragments()
            raise Malformed
    out.end_fragments()


def _members(source: Source, out: CallWriter, call: Call, syntax: JsonCall) -> Reading[None]:
    keys: list[str] = []
    while not keys or not (yield from source.literal("}")):
        if keys:
            yield from source.expect(",")
        yield from source.space()
        keys.append((yield from json_string(source)))
        yield from source.space()
        yield from source.expect(":")
        yield from source.space()
        start = source.pos
        if keys[-1] == "name":
            name = yield from json_string(source)
            out.name(call, name, start, source.pos)
        elif keys[-1] in syntax.arguments:
            yield from json_arguments(source, out, call, pass_on=keys == ["name", keys[-1]])
        else:
            yield from json_value(source)
        yield from source.space()
