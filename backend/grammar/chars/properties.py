r"""Unicode properties (`\p{...}` of ECMA-262) and simple case folding, from the tables of the package `regex`."""

import re
from functools import cache

import regex

from backend.grammar.chars.ranges import ASCII, SCALARS, Ranges, difference, intersection, union
from backend.grammar.errors import GrammarError

_NAME = re.compile(r"[A-Z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")
_VALUED = frozenset(["General_Category", "gc", "Script", "sc", "Script_Extensions", "scx"])
_CATEGORIES = frozenset(
    """
    L Lu Ll Lt LC Lm Lo M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Co Cn
    Letter Uppercase_Letter Lowercase_Letter Titlecase_Letter Cased_Letter Modifier_Letter Other_Letter
    Mark Nonspacing_Mark Spacing_Mark Enclosing_Mark Number Decimal_Number Letter_Number Other_Number
    Punctuation Connector_Punctuation Dash_Punctuation Open_Punctuation Close_Punctuation Initial_Punctuation
    Final_Punctuation Other_Punctuation Symbol Math_Symbol Currency_Symbol Modifier_Symbol Other_Symbol
    Separator Space_Separator Line_Separator Paragraph_Separator Other Control Format Private_Use Unassigned
    """.split()  # noqa: SIM905
)
_BINARY = frozenset(
    """
    ASCII Alphabetic Alpha Any Assigned ASCII_Hex_Digit AHex Cased Case_Ignorable CI Dash
    Default_Ignorable_Code_Point DI Diacritic Dia
    Emoji Emoji_Component EComp Emoji_Modifier EMod Emoji_Modifier_Base EBase Emoji_Presentation EPres
    Extended_Pictographic ExtPict Extender Ext Grapheme_Base Gr_Base Grapheme_Extend Gr_Ext Hex_Digit Hex
    ID_Continue IDC ID_Start IDS Ideographic Ideo Lowercase Lower Math Quotation_Mark QMark Radical
    Regional_Indicator RI Sentence_Terminal STerm Unified_Ideograph UIdeo Uppercase Upper Variation_Selector VS
    White_Space space XID_Continue XIDC XID_Start XIDS
    """.split()  # noqa: SIM905
)
_OWN = {"Any": SCALARS, "ASCII": ASCII}
_TURKIC: Ranges = ((0x130, 0x131),)
"""Of these `regex` makes i and I, which ECMA-262 does not."""


@cache
def _every_character() -> str:
    return "".join("".join(map(chr, range(low, high + 1))) for low, high in SCALARS)


@cache
def code_points(name: str) -> Ranges:
    r"""The characters of `\p{name}`: a category, a binary property, or one of these with a value, such as Script=Greek.

    Raises GrammarError for any other.
    """
    key, valued, value = name.partition("=")
    known = key in _VALUED and _NAME.fullmatch(value) if valued else key in _CATEGORIES or key in _BINARY
    if not known or (valued and key in ("General_Category", "gc") and value not in _CATEGORIES):
        raise _unknown(name)
    if name in _OWN:
        return _OWN[name]
    if name == "Assigned":
        name = "^Cn"
    try:
        return _runs(rf"\p{{{name}}}+")
    except regex.error as error:
        raise _unknown(name) from error


def _unknown(name: str) -> GrammarError:
    return GrammarError(
        f"the Unicode property {name!r} is not known: write a general category such as \\p{{L}}, or \\p{{Script=Greek}}"
    )


@cache
def in_any_case(ranges: Ranges, ascii_only: bool) -> Ranges:
    """`ranges` with every character that differs from one of them in case only, by simple case folding."""
    folded = difference(intersection(ranges, ASCII) if ascii_only else ranges, _TURKIC)
    if not folded:
        return ranges
    members = "".join(rf"\U{low:08x}-\U{high:08x}" for low, high in folded)
    found = _runs(rf"(?i)[{members}]+")
    return union(ranges, intersection(found, ASCII) if ascii_only else difference(found, _TURKIC))


def _runs(pattern: str) -> Ranges:
    runs = (run[0] for run in regex.compile(pattern).finditer(_every_character()))
    return union((ord(run[0]), ord(run[-1])) for run in runs)
