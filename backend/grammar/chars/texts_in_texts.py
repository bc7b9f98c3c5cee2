r"""Texts that have a grammar of their own, as deep as a regular expression reaches: JSON, and regular expressions."""

_DEPTH = 2
_STRING = r'"([^"\\\x00-\x1f]|\\["\\/bfnrt])*"'
_NUMBER = r"-?(0|[1-9]\d{0,14})(\.\d{1,15})?([eE][+-]?\d{1,2})?"
_SCALAR = f"({_STRING}|{_NUMBER}|true|false|null)"


def _json(depth: int) -> str:
    if depth == 0:
        return _SCALAR
    value, comma = _json(depth - 1), ", ?"
    member = f"{_STRING}: ?{value}"
    array = rf"\[({value}({comma}{value})*)?\]"
    members = rf"\{{({member}({comma}{member})*)?\}}"
    return f"({_SCALAR}|{array}|{members})"


JSON = _json(_DEPTH)
"""JSON whose arrays and objects nest two deep, on one line."""

_LITERAL = r"[A-Za-z0-9 _,;:@#%&=!~\"'<>`-]"
_ESCAPE = r"\\[dDwWsS^$\\.*+?()[\]{}|/tnrfv]"
_CLASS = r"\[\^?((a-z|A-Z|0-9|[A-Za-z0-9_.,;:@#%=!\"'<> +*?$()/]|\\[dwsDWS\\\]\[^-])+)\]"
_QUANTIFIER = r"([*+?]\??|\{[1-9]\}|\{[1-9],\})?"


def _regex(depth: int) -> str:
    group = rf"|\((\?:)?{_regex(depth - 1)}\)" if depth else ""
    terms = rf"(({_LITERAL}|\.|{_ESCAPE}|{_CLASS}{group}){_QUANTIFIER})+"
    return rf"{terms}(\|{terms})*"


REGEX = rf"\^?{_regex(2)}\$?"
"""Regular expressions that ECMA-262, Python and others read in one way."""
