"""Calls, or their arguments, that are JSON: passed on as they come where that is possible."""

from handlers.formats.call_writer import Call, CallWriter
from handlers.formats.json_reading import json_string, json_value, object_text
from handlers.formats.json_text import JsonText
from handlers.formats.scanner import Malformed, Reading, TextScanner
from handlers.formats.syntax import JsonCall


def json_arguments(scanner: TextScanner, out: CallWriter, call: Call, *, pass_on: bool = True) -> Reading[None]:
    """Reads the arguments of `call`: a JSON object, a string that holds the text of one, or null for none.

    pass_on: an object goes to `out` as it comes. Raises Malformed, also for a call that has arguments already.
    """
    if call.arguments is not None:
        raise Malformed
    start = scanner.pos
    if pass_on and (yield from scanner.next()) == "{":
        yield from _pass_on(scanner, out, call)
        call.arguments = ""
    else:
        call.arguments = object_text((yield from json_value(scanner)))
    call.arguments_at = (start, scanner.pos)


def json_call(scanner: TextScanner, out: CallWriter, call: Call, syntax: JsonCall) -> Reading[None]:
    """Reads a call that is a JSON object with a name and arguments; what is read is noted in `call`.

    The arguments go to `out` as they come where nothing but the name stood before them. Raises Malformed.
    """
    yield from scanner.expect("{")
    try:
        yield from _members(scanner, out, call, syntax)
    except Malformed:
        if call.begun and call.arguments is not None:  # what is wrong stands behind them
            scanner.seek(call.arguments_at[1])
        raise
    if not call.name:
        raise Malformed
    if call.arguments is None:
        call.arguments_at = (scanner.pos, scanner.pos)


def _pass_on(scanner: TextScanner, out: CallWriter, call: Call) -> Reading[None]:
    out.begin(call, scanner.pos)
    grammar = JsonText()
    while not grammar.done:
        scanner.through(grammar.feed)
        out.fragment(scanner.pos)
        if grammar.failed or not (grammar.done or (yield from scanner.more())):
            out.end_fragments()
            raise Malformed
    out.end_fragments()


def _members(scanner: TextScanner, out: CallWriter, call: Call, syntax: JsonCall) -> Reading[None]:
    keys: list[str] = []
    while not keys or not (yield from scanner.literal("}")):
        if keys:
            yield from scanner.expect(",")
        yield from scanner.space()
        keys.append((yield from json_string(scanner)))
        yield from scanner.space()
        yield from scanner.expect(":")
        yield from scanner.space()
        start = scanner.pos
        if keys[-1] == "name":
            name = yield from json_string(scanner)
            out.name(call, name, start, scanner.pos)
        elif keys[-1] in syntax.arguments:
            yield from json_arguments(scanner, out, call, pass_on=keys == ["name", keys[-1]])
        else:
            yield from json_value(scanner)
        yield from scanner.space()
