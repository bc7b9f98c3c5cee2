"""`data:` URLs (RFC 2397)."""

import base64
import re
from urllib.parse import unquote_to_bytes

from handlers.media.limits import Budget, MediaError

_FORGIVEN = str.maketrans("-_", "+/", " \t\r\n")
_BASE64 = re.compile(r";\s*base64\s*$", re.IGNORECASE)
_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def read_data_url(url: str, budget: Budget) -> tuple[bytes, str | None]:
    """The bytes of a URL that begins with "data:", and its media type, None where it gives none.

    Parameters of the type are left out. Raises MediaError where it is malformed, or has more bytes than the budget,
    from which they are taken before they are decoded.
    """
    head, comma, text = url[len("data:") :].partition(",")
    if not comma:
        raise MediaError("is a data: URL without a comma before its data")
    coded = _BASE64.search(head)
    media_type = (head[: coded.start()] if coded else head).partition(";")[0].strip() or None
    if coded:
        return _base64_decoded(_percent_decoded(text).decode("latin-1") if "%" in text else text, budget), media_type
    budget.take(len(text) - 2 * text.count("%"))
    return _percent_decoded(text), media_type


def _base64_decoded(text: str, budget: Budget) -> bytes:
    """Of either alphabet, with or without padding and white space."""
    plain = text.translate(_FORGIVEN).rstrip("=")
    budget.take(len(plain) * 3 // 4)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError as error:
        raise MediaError(f"has data that is no base64: {error}") from error


def _percent_decoded(text: str) -> bytes:
    if broken := _PERCENT.search(text):
        raise MediaError(f"has data with a percent sign and no two hexadecimal digits behind it, at {broken.start():,}")
    try:
        return unquote_to_bytes(text.encode("ascii"))
    except UnicodeEncodeError as error:
        raise MediaError("has data with characters that no URL has; percent-encode them, or use base64") from error
