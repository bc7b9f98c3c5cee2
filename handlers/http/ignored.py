"""The response header that names what of a request had no effect, and the names of parameters of queries in it."""

from collections import Counter
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

HEADER = "x-ignored-parameters"
LONGEST_HEADER = 1024
MORE = "..."


def ignored_header(names: Iterable[str]) -> dict[str, str]:
    """The header x-ignored-parameters, which has each of `names` once; {} if there are none."""
    once = list(dict.fromkeys(names))
    return {HEADER: encode(once)} if once else {}


def encode(names: Iterable[str], before: str = "") -> str:
    """A header value: comma-separated, percent-encoded, cut at whole names with "..." at the end when too long.

    before: a value to which they are added.
    """
    encoded = before
    if before.rpartition(",")[2] == MORE:
        return before
    for name in names:
        longer = f"{encoded},{quote(name, safe='')}" if encoded else quote(name, safe="")
        if len(longer) > LONGEST_HEADER:
            return f"{encoded},{MORE}" if encoded else MORE
        encoded = longer
    return encoded


def unknown_queries(query: bytes, known: Iterable[str]) -> list[str]:
    """Parameters of a query that have no effect, each once, as `query.NAME`, since bodies have such names too.

    known: those that have one. Of a parameter that is given more than once the last counts, and it is named.
    """
    most = dict.fromkeys(known, 1)
    given = Counter(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    return [f"query.{name}" for name, count in given.items() if count > most.get(name, 0)]


def naming(names: list[str], send: Send) -> Send:
    """`send` of an answer that is no error, whose header names these too."""

    async def send_named(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] < 400:
            headers = MutableHeaders(scope=message)
            headers[HEADER] = encode(names, headers.get(HEADER, ""))
        await send(message)

    return send_named
