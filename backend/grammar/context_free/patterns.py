r"""Regular expressions of terminals, as no dialect reads them more narrowly: Lark's are Python's, llguidance's Rust's.

What `\s`, `\d` and `\w` hold beyond ASCII depends on the dialect and its version of Unicode. They stand for ASCII only;
what is not of them, such as `\S` and `[^\w]`, is neither of theirs in ASCII nor of what any dialect adds.
"""

import re
import sys
from functools import cache
from itertools import groupby
from unicodedata import category

from backend.grammar.chars.ranges import DIGIT, ECMA_SPACE, SPACE, WORD, Ranges, complement, union

_NARROW: dict[str, Ranges] = {"s": SPACE, "d": DIGIT, "w": WORD}
_TOKEN = re.compile(r"\\.|\[\^?|\]|[^\\\[\]]+", re.DOTALL)
_PYTHON_SPACE = ((0x1C, 0x1F), (0x85, 0x85))
_JOINERS = ((0x200C, 0x200D),)
_CIRCLED_LETTERS = ((0x24B6, 0x24E9), (0x1F130, 0x1F149), (0x1F150, 0x1F169), (0x1F170, 0x1F189))
_NO_WORDS = ("Z", "S", "Cc", "Cf", "Co", "Pd", "Ps", "Pe", "Pi", "Pf", "Po")
_UNASSIGNED = "Cn"


def portable(pattern: str) -> str:
    """`pattern` with ranges of characters in place of the escapes of sets."""
    written, outside, negated = [], True, False
    for token in _TOKEN.findall(pattern):
        if outside and token in ("[", "[^"):
            outside, negated = False, token == "[^"
        elif token == "]":
            outside = True
        elif token[0] == "\\" and token[1].lower() in _NARROW:
            members = _members(token[1], negated and not outside)
            token = f"[{members}]" if outside else members
        written.append(token)
    return "".join(written)


@cache
def _members(letter: str, negated: bool) -> str:
    """What an escape holds at least, or at most if `negated`, as members of a class."""
    inverted = letter.isupper()
    chosen = _wide(letter.lower()) if inverted != negated else _NARROW[letter.lower()]
    ranges = complement(chosen) if inverted else chosen
    return "".join(f"\\u{{{low:x}}}-\\u{{{high:x}}}" for low, high in ranges)


@cache
def _wide(letter: str) -> Ranges:
    """All characters that some dialect takes for one of the set."""
    if letter == "s":
        return union(ECMA_SPACE, _PYTHON_SPACE)
    if letter == "d":
        return _of_categories(("Nd", _UNASSIGNED))
    return union(complement(_of_categories(_NO_WORDS)), _JOINERS, _CIRCLED_LETTERS)


def _of_categories(prefixes: tuple[str, ...]) -> Ranges:
    found: list[tuple[int, int]] = []
    for belongs, codes in groupby(range(sys.maxunicode + 1), lambda code: category(chr(code)).startswith(prefixes)):
        if belongs:
            run = list(codes)
            found.append((run[0], run[-1]))
    return tuple(found)
