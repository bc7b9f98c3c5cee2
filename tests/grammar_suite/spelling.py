"""JSON values as the grammars write them: compact, no character escaped that need not be, numbers in plain decimals."""

import json
from decimal import Decimal
from typing import Any


def dumps(value: Any) -> bytes:
    """The compact text of a value; surrogates, which no text may hold, come out as bytes that are not UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def spellings(value: Any) -> list[bytes]:
    """The texts of a value that is no container. A number may be written with and without a fraction or exponent."""
    texts = [dumps(value)]
    if isinstance(value, float):
        plain = format(Decimal(repr(value)), "f")
        texts += [plain.encode(), plain.removesuffix(".0").encode()]
    return list(dict.fromkeys(texts))
