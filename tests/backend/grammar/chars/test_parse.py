"""Regular expressions: the language of every construct, against Python's `re`, and a clear refusal of all others."""

import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar.chars.parse import pattern
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits

WORDS = ["".join(word) for length in range(6) for word in product("ab1", repeat=length)]
LEAVES = ["a", "b", "1", ".", "[ab]", "[^a]", "[a-b1]", r"\d", r"\D", r"\w", r"\W", r"\s", r"[^\s1]", "^", "$", ""]
QUANTIFIERS = ["*", "+", "?", "{2}", "{0,2}", "{1,}", "{1,3}", "*?", "+?", "??", "{0,1}?", "{0}"]


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=2, max_size=4).map("".join),
        st.lists(inner, min_size=2, max_size=4).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(QUANTIFIERS)).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    )


EXPRESSIONS = st.recursive(st.sampled_from(LEAVES), _larger, max_leaves=8)


@settings(deadline=None, max_examples=300)
@given(EXPRESSIONS)
def test_searching_and_matching_agree_with_re(text):
    oracle = re.compile(text, re.ASCII)
    whole, anywhere = pattern(text, search=False), pattern(text, search=True)
    for word in WORDS:
        assert whole.matches(word) == bool(oracle.fullmatch(word)), word
        assert anywhere.matches(word) == bool(oracle.search(word)), word


@pytest.mark.parametrize(
    ("text", "members", "others"),
    [
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
        (r"^[]a]$", [], ["a]", "]", "a"]),
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
        (r"^\s$", [" ", "\t", "\v", "\f"], ["\xa0", "\u2003", "\x1c"]),
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


@pytest.mark.parametrize("text", [r"^\S$", r"^[^\s]$", r"^[^\sx]$"])
def test_what_any_standard_calls_a_space_is_not_a_non_space(text):
    language = pattern(text)
    for space in " \t\n\v\f\r\x1c\x1f\x85\xa0\u1680\u2000\u2028\u2029\u202f\u205f\u3000\ufeff":
        assert not language.matches(space)
    assert language.matches("a")


@pytest.mark.parametrize("text", [r"^\s$", r"^[\s]$", r"^[^\S]$"])
def test_only_ascii_is_a_space(text):
    members = [code for code in range(0x3001) if pattern(text).matches(chr(code))]
    assert members == [9, 10, 11, 12, 13, 32]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("(?=a)b", "look-ahead"),
        ("(?!a)b", "negative look-ahead"),
        ("(?<=a)b", "look-behind"),
        ("(?<!a)b", "negative look-behind"),
        (r"(a)\1", r"back-reference '\\1'"),
        (r"(?<n>a)\k<n>", "back-reference"),
        ("(?P<n>a)(?P=n)", "back-reference"),
        (r"\bword", "word boundary"),
        (r"a\B", "word boundary"),
        (r"\p{L}", "Unicode property"),
        (r"[\P{L}]", "Unicode property"),
        (r"\A", "anchor"),
        (r"a\z", "anchor"),
        (r"\N", r"escape '\\N'"),
        (r"[\B]", "word boundary"),
        ("(?i)a", "flag"),
        ("(?i:a)", "flag"),
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
        ("^*", "anchor cannot be repeated"),
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
