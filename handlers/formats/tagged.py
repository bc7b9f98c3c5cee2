"""Arguments in tags, one tag each."""

from handlers.formats.json_reading import to_json
from handlers.formats.scanner import Malformed, Reading, TextScanner
from handlers.formats.syntax import TaggedArguments
from handlers.formats.values import ArgumentValues


def tagged_arguments(scanner: TextScanner, syntax: TaggedArguments, values: ArgumentValues) -> Reading[str]:
    """Reads arguments in tags, with the white space around them; gives JSON object text.

    values: makes JSON of each value. Of a repeated key the last value counts. Raises Malformed for a broken tag.
    """
    arguments: dict[str, str] = {}
    while True:
        yield from scanner.space()
        if not (yield from scanner.literal(syntax.open)):
            break
        key = yield from scanner.until(syntax.key_end)
        is_text = yield from _kind(scanner, syntax)
        text = yield from scanner.until(syntax.close)
        arguments[key] = values.json(key, _bare(text) if syntax.newline else text, is_text)
    return "{" + ", ".join(f"{to_json(key)}: {value}" for key, value in arguments.items()) + "}"


def _kind(scanner: TextScanner, syntax: TaggedArguments) -> Reading[bool | None]:
    """Reads what opens the value: whether that says it is text. Raises Malformed."""
    if not syntax.kinds:
        if syntax.value_open:
            yield from scanner.space()
            yield from scanner.expect(syntax.value_open)
        return None
    marker = yield from scanner.first(tuple(marker for marker, _ in syntax.kinds))
    if marker is None:
        raise Malformed
    return dict(syntax.kinds)[marker]


def _bare(text: str) -> str:
    """Without the newlines next to the tags."""
    return text.removeprefix("\n").removesuffix("\n")
