"""Regular expressions: the language of every construct, against Python's `re`, and a clear refusal of all others."""

import re
import string
import unicodedata
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.parse import pattern
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits

WORDS = ["".join(word) for length in range(6) for word in product("ab1", repeat=length)]
LEAVES = ["a", "b", "1", ".", "[ab]", "[^a]", "[a-b1]", r"\d", r"\D", r"\w", r"\W", r"\s", r"[^\s1]", "^", "$", ""]
LOOKS = [
    "(?=a)",
    "(?!b)",
    "(?=.*1)",
    "(?!.*b$)",
    "(?=a|^b)",
    "(?<=a)",
    "(?<!1)",
    "(?<=ab)",
    "(?<!^a)",
    r"\b",
    r"\B",
    r"(?=\b.)",
]
QUANTIFIERS = ["*", "+", "?", "{2}", "{0,2}", "{1,}", "{1,3}", "*?", "+?", "??", "{0,1}?", "{0}"]


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(QUANTIFIERS)).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    )


EXPRESSIONS = st.recursive(st.sampled_from(LEAVES), _larger, max_leaves=8)
LOOKING = st.recursive(st.sampled_from(LEAVES + LOOKS), _larger, max_leaves=8)


@settings(deadline=None, max_examples=300)
@given(EXPRESSIONS)
def test_searching_and_matching_agree_with_re(text):
    oracle = re.compile(text, re.ASCII)
    whole, anywhere = pattern(text, search=False), pattern(text, search=True)
    for word in WORDS:
        assert whole.matches(word) == bool(oracle.fullmatch(word)), word
        assert anywhere.matches(word) == bool(oracle.search(word)), word


@settings(deadline=None, max_examples=80)
@given(LOOKING, st.booleans())
def test_assertions_hold_anywhere_as_in_re(text, ignore_case):
    text = f"(?i){text}" if ignore_case else text
    oracle = re.compile(text, re.ASCII)
    language = pattern(text)
    for word in WORDS[1:]:  # Of the empty string Python says that it has no place for \\B.
        written = word.upper() if ignore_case else word
        assert language.matches(written) == bool(oracle.search(written)), written


@pytest.mark.parametrize(
    ("text", "members", "others"),
    [
        (r"^(?=.*[A-Z])(?=.*\d).{8,}$", ["abcdeF1x", "A2345678"], ["abcdefgh", "Abc1", "ABCDEFGH"]),
        (r"^((?!--).)*$", ["", "a-b-c", "-"], ["a--b", "--"]),
        (r"^(?!null$|none$).+$", ["a", "nulls", "none "], ["null", "none", ""]),
        (r"^(?!(con|aux)(\.|$))[a-z.]+$", ["console", "a.con"], ["con", "aux.x"]),
        (
            r"^(?:(\d+W)|(?!.*W)(?=\d|T\d)(\d+D)?(T(?=\d)(\d+H)?(\d+M)?)?)$",
            ["3W", "1DT2H", "T5M"],
            ["", "T", "1DT", "1D2W"],
        ),
        (r"\bcat\b", ["cat", "a cat!", "écaté"], ["cats", "concat", "cat_"]),
        (r"^\B$", [""], ["a", "-"]),
        (r"(?<=^|,)x(?!,)(?=$|;)", ["x", "a,x;"], ["x,", "ax"]),
        ("(?i)straße", ["STRAßE", "straẞe"], ["strasse"]),
        ("(?i)^[k-s]$", ["K", "\u212a", "\u017f"], ["t", "j"]),
        (r"(?i)^[^k]$", ["a", "\u0131"], ["k", "K", "\u212a"]),
        (r"(?i)^\W$", ["-"], ["\u212a", "a"]),
        ("^a(?i:b)c$", ["abc", "aBc"], ["Abc", "abC"]),
        ("(?i)^a(?-i:b)c$", ["abc", "AbC"], ["aBc"]),
        ("(?s)^a.b$", ["a\nb", "axb"], ["ab"]),
        ("(?i)^i$", ["i", "I"], ["\u0130", "\u0131"]),
        (r"^\p{Lu}\p{Ll}+$", ["Élan", "Ωmega"], ["élan", "É"]),
        (r"^[\p{L}\p{Mn}'-]+$", ["d'Été", "e\u0301"], ["a1", ""]),
        (r"^\P{ASCII}$", ["é"], ["e"]),
        (r"^[^\p{Script=Greek}]+$", ["abc"], ["aβc"]),
        (r"^\p{Script_Extensions=Hira}$", ["\u3042", "\u30fc"], ["\u30a2"]),
        (r"^\p{Emoji_Presentation}$", ["\U0001f422"], ["a", "1"]),
        (r"^\p{gc=Nd}\p{White_Space}\p{Any}$", ["٣\u3000x"], ["a\u3000x"]),
        ("^a|b$", ["axx", "xxb", "b"], ["xa", "bx", ""]),
        ("(^a|b)c", ["ac", "xbc"], ["xac"]),
        ("a$|^b", ["xa", "bx"], ["ax", "xb"]),
        ("^$", [""], ["a"]),
        ("a^b|a$b", [], ["ab", "a", "b", ""]),
        (r"^[\u{1F400}-\u{1F4FF}]\u0000$", ["\U0001f422\0"], ["\U0001f422", "\0\U0001f422"]),
        (r"^\uD83D\uDC22$", ["\U0001f422"], ["\ud83d", "a"]),
        (r"^[\uD83D\uDC22-\uD83D\uDC24]$", ["\U0001f423"], ["\U0001f425", "-"]),
        (r"^[^]$", ["a", "\n", "\U0010ffff"], ["", "aa"]),
        ("[]", [], ["", "a", "]"]),
        (r"^[\]a]$", ["]", "a"], ["b"]),
        (r"^[a\-c]$", ["a", "-", "c"], ["b"]),
        (r"^[-a]$|^[b-]$", ["-", "a", "b"], ["c"]),
        (r"^[\w-.]$", ["a", "-", "."], ["/", ","]),
        (r"^[\d.]+$", ["1.2"], ["a", "٣"]),
        (r"^\/\-\.\{\"$", ['/-.{"'], ["\\/"]),
        (r"^a{$|^a{b}$|^a{1$|^}]$", ["a{", "a{b}", "a{1", "}]"], ["a"]),
        (r"^\x41\cJ\t\0$", ["A\n\t\0"], ["A"]),
        (r"^[\b]$", ["\b"], ["b"]),
        (r"^(?<year>\d+)(?P<x>b)(?:c)$", ["12bc"], ["bc"]),
        ("^.$", ["a", "\U0001f422", "\x85"], ["\n", "\r", "\u2028", "\u2029", ""]),
        (r"^\s$", [" ", "\t", "\v", "\f", "\xa0", "\u2003", "\ufeff"], ["\x1c", "\x85", "\u180e"]),
        (r"^\w$", ["a", "_", "Z", "0"], ["é", "ß", "-"]),
        (r"^\W$", ["é", "-"], ["a"]),
        ("^[α-ω]{2}[^\\x00-\\x7f]$", ["αβ\U0001f422", "ω" * 2 + "€"], ["ab€", "αβa"]),
        ("^(a{1,2}){3,4}$", ["aaa", "a" * 8], ["aa", "a" * 9]),
        ("^(a{2}){2}$", ["aaaa"], ["aa", "aaa", "aaaaa"]),
        ("^(a{0}|b){2}$", ["", "b", "bb"], ["a"]),
    ],
)
def test_the_language_of_a_construct(text, members, others):
    language = pattern(text)
    assert [word for word in members if not language.matches(word)] == []
    assert [word for word in others if language.matches(word)] == []


ECMA_SPACE = set("\t\n\v\f\r \xa0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff") | {
    chr(code) for code in range(0x2000, 0x200B)
}
"""ECMA-262: WhiteSpace (12.2: five characters and the category Zs of Unicode 16.0) and LineTerminator (12.3)."""
LINE_ENDS = set("\n\r\u2028\u2029")
ASCII_SPACE = set(" \t\n\v\f\r")
ASCII_WORD = {*string.ascii_letters, *string.digits, "_"}
ANY = CharDfa.lengths(1, 1)


@pytest.mark.parametrize(
    ("text", "ascii_only", "expected"),
    [
        (r"\s", False, CharDfa.literals(ECMA_SPACE)),
        (r"[\s]", False, CharDfa.literals(ECMA_SPACE)),
        (r"[^\S]", False, CharDfa.literals(ECMA_SPACE)),
        (r"\S", False, ANY - CharDfa.literals(ECMA_SPACE)),
        (r"[^\s]", False, ANY - CharDfa.literals(ECMA_SPACE)),
        (r"\s", True, CharDfa.literals(ASCII_SPACE)),
        (r"\S", True, ANY - CharDfa.literals(ASCII_SPACE)),
        (r"[^\S]", True, CharDfa.literals(ASCII_SPACE)),
        (r"\d", False, CharDfa.literals(string.digits)),
        (r"\D", False, ANY - CharDfa.literals(string.digits)),
        (r"\w", False, CharDfa.literals(ASCII_WORD)),
        (r"\W", False, ANY - CharDfa.literals(ASCII_WORD)),
        (r"(?i:\w)", False, CharDfa.literals(ASCII_WORD | {"\u017f", "\u212a"})),
        (r"(?i:\W)", False, ANY - CharDfa.literals(ASCII_WORD | {"\u017f", "\u212a"})),
        (r"(?i:\w)", True, CharDfa.literals(ASCII_WORD)),
        (".", False, ANY - CharDfa.literals(LINE_ENDS)),
        (r"[\s\S]", False, ANY),
        (r"(\s|\S)", False, ANY),
        (r"[\s\S]", True, ANY),
        (r"(\s|\S)", True, ANY),
    ],
)
def test_a_set_is_exactly_what_the_standard_says(text, ascii_only, expected):
    assert pattern(text, search=False, ascii_only=ascii_only) == expected


@pytest.mark.parametrize("name", ["Lu", "Ll", "Mn", "Nd", "Pd", "Zs"])
def test_categories_are_those_of_the_unicode_database(name):
    ours = pattern(rf"\p{{{name}}}", search=False)
    every = (chr(code) for code in range(0x20000) if not 0xD800 <= code <= 0xDFFF)
    known = [char for char in every if unicodedata.category(char) != "Cn"]
    differing = [char for char in known if ours.matches(char) != (unicodedata.category(char) == name)]
    assert len(differing) <= 10, differing  # The versions of Unicode differ; few characters ever change their category.


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"(a)\1", r"back-reference '\\1'"),
        (r"(?<n>a)\k<n>", "back-reference"),
        ("(?P<n>a)(?P=n)", "back-reference"),
        (r"\p{Greek}", "Unicode property 'Greek' is not known"),
        (r"[\P{Script=Elvish}]", "Unicode property 'Script=Elvish'"),
        (r"\p{gc=Greek}", "Unicode property"),
        (r"\p{L=}", "Unicode property"),
        (r"\pL", "name of a Unicode property in braces"),
        ("(?m)^a", "the flag 'm'"),
        ("(?x: a)", "the flag 'x'"),
        ("a(?i)b", "flags anywhere but at the beginning"),
        ("(?<=a$)b", "'[$]' inside a look-behind"),
        (r"(?<=a\b)b", "word boundary inside a look-behind"),
        ("(?<!a(?=b))b", "look-ahead inside a look-behind"),
        ("(?=a)*", "assertion cannot be repeated"),
        (r"\b?", "assertion cannot be repeated"),
        ("[]a]", "read in two ways"),
        ("[^]a]", "read in two ways"),
        (r"[^]\]a]", "read in two ways"),
        ("a" * 70_000, "70000 characters, more than 65536"),
        (r"\A", "anchor"),
        (r"a\z", "anchor"),
        (r"\N", r"escape '\\N'"),
        (r"[\B]", "word boundary"),
        ("(?>a)", "atomic"),
        ("(?#a)", "comment"),
        ("(?(1)a)", "conditional"),
        ("a++", "possessive"),
        ("a{2}+", "possessive"),
        ("[[:alpha:]]", "POSIX"),
        ("a{,3}", r"write '\{0,'"),
        ("a**", "follows a quantifier"),
        ("*a", "repeats nothing"),
        ("{2}a", "repeats nothing"),
        ("^*", "assertion cannot be repeated"),
        ("a{3,2}", "out of order"),
        ("[b-a]", "out of order"),
        ("(a", "group is not closed"),
        ("a)", "closes no group"),
        ("[a", "class is not closed"),
        ("(?<>a)", "no valid name"),
        ("\\", "escape"),
        (r"\x4", "hexadecimal"),
        (r"\u123", "hexadecimal"),
        (r"\u{110000}", "last code point"),
        ("a{9999999999}", "9 digits"),
        ("(" * 200 + "a" + ")" * 200, "nested too deeply"),
    ],
)
def test_what_cannot_be_honoured_is_named(text, reason):
    with pytest.raises(GrammarError, match=reason):
        pattern(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("((a{0,200}b){0,200}){0,200}", "60000 NFA states"),
        ("(){999999999}", "60000 NFA states"),
        ("(a|b)*a(a|b){24}", "20000 states"),
        ("((a{0,200}){0,200}){0,200}", "20000 states|NFA states"),
        ("(a{0,200}b?){0,200}", "too ambiguous"),
    ],
)
def test_a_hostile_expression_is_refused_with_the_limit_it_passes(text, reason):
    with pytest.raises(GrammarError, match=reason):
        pattern(text, search=False)


def test_limits_are_those_that_were_asked_for():
    assert len(pattern("a{50}", search=False)) == 51
    with pytest.raises(GrammarError, match="more than 10 states"):
        pattern("a{50}", search=False, limits=Limits(pattern_dfa_states=10))
