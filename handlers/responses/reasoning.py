"""Reasoning in the form in which clients send it back without reading it.

It is not secret, since they have it as text as well; OpenAI's name for it is kept.
"""

import base64
import binascii
import zlib

PREFIX = "jaxchat-reasoning-"
MOST_BYTES = 16 << 20
"""That may come out of what a client sends back."""


def encrypted(text: str) -> str:
    """The reasoning `text` as encrypted content."""
    return PREFIX + base64.urlsafe_b64encode(zlib.compress(text.encode())).decode()


def decrypted(content: str) -> str | None:
    """The reasoning in encrypted content, None for what this server has not made."""
    try:
        packed = base64.b64decode(content.removeprefix(PREFIX), altchars=b"-_", validate=True)
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(packed, MOST_BYTES)
        return text.decode() if content.startswith(PREFIX) and unpacker.eof else None
    except (binascii.Error, ValueError, zlib.error):
        return None
