"""What each syntax means, part by part, and what is said of what is malformed or not supported."""

import random
import re

import pytest

from backend.grammar.errors import GrammarError
from tests.backend.grammar.context_free import oracle
from tests.backend.grammar.context_free.compiled import accepts, runner, tables
from tests.backend.grammar.context_free.grammars import EXAMPLES

GBNF: dict[str, tuple[str, list[str], list[str]]] = {
    "escapes": (
        r'root ::= "\x41\u00e9\U0001F600\n\t\r\\\"" [\x61-\x63\]\[\\\-]',
        ['Aé😀\n\t\r\\"a', 'Aé😀\n\t\r\\"]', 'Aé😀\n\t\r\\"-'],
        ['Aé😀\n\t\r\\"d', 'Aé😀\n\t\r\\"'],
    ),
    "classes": ("root ::= [^a-cé\\n] [a-c-] [^^]", ["daa", "ø-b", "-cé"], ["aaa", "éab", "\naa", "da^", "dda"]),
    "any character": ("root ::= .", ["a", "\n", "é", "😀"], ["", "ab"]),
    "repetition": (
        'root ::= "a"{2} "b"{1,} "c"{0,2} "d"{,1} ("e" | "f")+',
        ["aabe", "aabbbccdfe"],
        ["abe", "aae", "aabccce", "aabdde", "aab"],
    ),
    "repetition of a repetition": ('root ::= ("a"{2})* "b"+?', ["", "aabb", "aaaa"], ["a", "ab"]),
    "groups over lines": ('root ::= (\n "a" # one\n | "b"\n\n)\n# end\n', ["a", "b"], ["ab", ""]),
    "alternatives over lines": ('root ::=\n  "a" |\n  "b"\n  | "c"\nx ::= "d"', ["a", "b", "c"], ["d", ""]),
    "nothing": ('root ::= "a" | \nx ::=', ["a", ""], ["aa"]),
    "names": ('root ::= Two-words_3\nTwo-words_3::="a"', ["a"], ["b"]),
    "line ends of Windows": ('root ::= x\r\nx ::= "a"\r\n', ["a"], ["a\r"]),
    "no line end": ("root ::= [a]", ["a"], [""]),
    "the case of names": ('root ::= X x\nX ::= "a"\nx ::= "b"', ["ab"], ["ba", "aa"]),
}


@pytest.mark.parametrize("name", GBNF)
def test_gbnf_means_what_llama_cpp_says(name: str) -> None:
    grammar, good, bad = GBNF[name]
    assert [text for text in good if not accepts(grammar, text)] == []
    assert [text for text in bad if accepts(grammar, text)] == []


LARK: dict[str, tuple[str, list[str], list[str]]] = {
    "escapes": (
        r'start: "\x41\u00e9\U0001F600\n\t\r\\\"" /[\x61-\x63\]\[\\-]\//',
        ['Aé😀\n\t\r\\"a/', 'Aé😀\n\t\r\\"]/'],
        ['Aé😀\n\t\r\\"d/', 'Aé😀\n\t\r\\"a'],
    ),
    "sets of characters": (
        r"start: /\s\d\w/ /\S\D\W/ /[\d.][^\d.]/ /[^\w\s]/",
        [" 1a;é 1a-", "\n9_a ..é*"],
        [
            "\u30001a;é 1a-",
            " ٣a;é 1a-",
            " 1é;é 1a-",
            " 1a\u3000é 1a-",
            " 1a;٣ 1a-",
            " 1a;éé1a-",
            " 1a;é .٣-",
            " 1a;é 1aé",
        ],
    ),
    "any case": ('start: "aé1"i "b" ', ["aé1b", "AÉ1b", "Aé1b"], ["aé1B", "ae1b"]),
    "flags": (
        r"start: /a[^b]/i /c.d/s /e/msu",
        ["axc\nde", "AAcxde"],
        ["aBcxde", "axcxdE", "axCxde", "abcxde"],
    ),
    "ranges of characters": ('start: "a".."c" ("0".."9")+', ["a0", "c99"], ["d0", "a"]),
    "numbers of times": ('start: "a"~2 "b"~1..3', ["aab", "aabbb"], ["ab", "aa", "aabbbb"]),
    "optional": ('start: ["a" "b"] "c"? "d"', ["abd", "d", "abcd"], ["ad", "abc"]),
    "markers, priorities and aliases": (
        'start: a -> x | b -> y\n?a.2: "a" X\n!b: _c\n_c: "b"\nX.-1: "x"',
        ["ax", "b"],
        ["x", "a"],
    ),
    "alternatives over lines": (
        'start: "a"\n    | "b" // not "d"\n  # nor "e"\n    | "c"\n',
        ["a", "b", "c"],
        ["d", "e"],
    ),
    "terminals of terminals": ('start: A+\nA: B "x" | /y[z]/\nB: "b"', ["bx", "yz", "bxyz"], ["b", "yx"]),
    "imports": (
        "start: INT WORD NAME\n%import common.INT\n%import common (WORD, LETTER)\n%import common.LETTER -> NAME",
        ["12ab", "1aB"],
        ["12a", "a1", "1"],
    ),
    "a rule and a terminal of one name": ('start: a A\na: "x"\nA: "y"', ["xy"], ["yx"]),
    "what is ignored": (
        'start: "a" B* "cc"\nB: "b" "b"\n%ignore " "\n%ignore /\\n+/',
        ["acc", " a bb \n bb cc \n", "abbbbcc"],
        ["ac c", "ab bcc", "a"],
    ),
}


NARROWED = ("sets of characters",)
"""Those of which Lark takes more than is written."""


@pytest.mark.parametrize("name", LARK)
def test_lark_means_what_lark_says(name: str) -> None:
    grammar, good, bad = LARK[name]
    assert [text for text in good if not accepts(grammar, text)] == []
    assert [text for text in bad if accepts(grammar, text)] == []
    with_slashes = re.sub(r"#.*", "", grammar)
    assert [text for text in good if not oracle.accepts(with_slashes, text)] == []
    assert [text for text in bad if oracle.accepts(with_slashes, text) and name not in NARROWED] == []


COMMON = {
    "DIGIT": ["7"], "HEXDIGIT": ["a", "F", "0"], "INT": ["007"], "SIGNED_INT": ["-1", "+2", "3"],
    "DECIMAL": ["1.", ".5", "1.5"], "FLOAT": ["1e5", "1.5E-3", ".5"], "SIGNED_FLOAT": ["-1e5", "+.5"],
    "NUMBER": ["1", "1.5"], "SIGNED_NUMBER": ["-1", "+1.5e+7"], "ESCAPED_STRING": ['""', '"a\\"b"', '"\\\\"'],
    "LCASE_LETTER": ["a"], "UCASE_LETTER": ["Z"], "LETTER": ["z", "A"], "WORD": ["aB"], "CNAME": ["_a1", "B"],
    "WS_INLINE": [" \t"], "WS": [" \t\f\r\n"], "CR": ["\r"], "LF": ["\n"], "NEWLINE": ["\n", "\r\n\n"],
    "SH_COMMENT": ["# a"], "CPP_COMMENT": ["// a"], "C_COMMENT": ["/**/", "/* a\n** b*/"], "SQL_COMMENT": ["-- a"],
}  # fmt: skip


@pytest.mark.parametrize("name", COMMON)
def test_common_terminals_are_larks(name: str) -> None:
    grammar = f"start: {name}\n%import common.{name}"
    rng = random.Random(name)
    wrong = [text for several in COMMON.values() for text in several]
    wrong += ["".join(rng.choices('"\\/*-#+.eE1a \n', k=rng.randint(0, 5))) for _ in range(300)]
    assert all(accepts(grammar, text) and oracle.accepts(grammar, text) for text in COMMON[name])
    found = [text for text in wrong if accepts(grammar, text)]
    assert [text for text in found if not oracle.accepts(grammar, text)] == []
    missing = [text for text in wrong if text not in found and oracle.accepts(grammar, text)]
    assert missing == [] or (name in ("ESCAPED_STRING", "C_COMMENT") and all(map(_closes_twice, missing)))


def _closes_twice(text: str) -> bool:
    """A string or a comment in which Lark's expressions, being lazy, would have ended earlier."""
    return text.count('"') > 2 or text.count("*/") > 1


@pytest.mark.parametrize("text", ['{"a":1}', '{"a":1,"b":{"a":2}}', " {}", "[]", '{"a":"b"}'])
def test_a_json_schema_in_a_grammar_is_a_rule(text: str) -> None:
    schema = '{"type": "object", "properties": {"a": {"type": "integer"}, "b": {"$ref": "#"}}}'
    grammar = f'start: "{{" start "}}" | %json {schema}\n | "none"'
    expected = text in ('{"a":1}', '{"a":1,"b":{"a":2}}')
    assert accepts(grammar, text) == expected
    assert accepts(grammar, "{{" + text + "}}") == expected
    assert accepts(grammar, "{{none}}") and not accepts(grammar, "{none}}")


TWICE = 'start: %json {"type": "string", "maxLength": 3} | /"[^"]*/ %json {"type": "string", "maxLength": 2}'
CLOSED = 'start: %json {"type": "array", "items": {"const": 1}} | "[" ["1" | start] "]"'
SEPARATED = 'start: %json {"type": "object"} | "{" "\\"a\\":" start "}"'


@pytest.mark.parametrize(
    ("grammar", "why"),
    [
        (TWICE, "characters are counted"),
        (CLOSED, "and of a JSON value"),
        (SEPARATED, "white space of JSON may be text"),
    ],
)
def test_json_beside_what_looks_like_it_is_refused_where_an_automaton_cannot_tell_them_apart(grammar, why) -> None:
    with pytest.raises(GrammarError, match=why):
        tables(grammar)


def test_json_in_a_grammar_has_one_look_and_is_on_one_line_in_brackets() -> None:
    grammar = 'start: "<" start ">" | %json {"type": "array"}'
    good = ["[1,2]", "[1, 2]", "[\n  1,\n  2\n]", "<[1, 2]>", "<<[]>>"]
    assert [text for text in good if not accepts(grammar, text)] == []
    assert [text for text in ["<[\n  1\n]>", "[1,2, 3]", "<[1]"] if accepts(grammar, text)] == []


def test_the_syntax_is_told_from_the_text() -> None:
    assert accepts('# start: "b"\nroot ::= "a"', "a") and accepts('// root ::= "a"\nstart: "b::="', "b::=")
    with pytest.raises(GrammarError, match="'::=' is GBNF"):
        runner('start ::= "a"', "lark")
    with pytest.raises(GrammarError, match="'::=' is missing behind 'start'"):
        runner('start: "a"', "gbnf")


REFUSED: dict[str, str] = {
    'root ::= "a" b': "rule 'b' is used in line 1, but not defined",
    'a ::= "a"': "no rule 'root'",
    "a: /a/": "no rule 'start'",
    'root ::= "a"\n\nroot ::= "b"': r"rule 'root' \(line 3\) is defined already in line 1",
    'root ::= "a" )': r"line 1, rule 'root': '\)' is not expected",
    'root ::= ("a"\n| "b"': r"line 2, rule 'root': a group is not closed",
    'root ::= "a\n"': "line 1, rule 'root': a literal is not closed",
    "root ::= [a": "a class of characters is not closed",
    "root ::= []": "a class of characters is empty",
    "root ::= [z-a]": "out of order",
    r'root ::= "\q"': r"the escape '\\q' is not known",
    r'root ::= "\x4"': "'\\\\x' needs 2 hexadecimal digits",
    r'root ::= "\ud800"': "no character",
    'root ::= "a"{3,2}': "out of order",
    'root ::= "a"{x}': "begins no repetition",
    "root ::= <think> .": r"a token by its name or number \('<...>'\) is not supported \(line 1, rule 'root'",
    'start: "a"\nb: C{"x"}\nC: "d"': "begins no repetition",
    'start: b{"x"}': "a template is not supported",
    'b{x}: "c"\nstart: "a"': "a template, or attributes, of a rule",
    "start: /(?=a)b/": "look-a",
    "start: /^a$/": "an anchor or look-around",
    "start: /a/x": "the flags 'x'",
    "start: /(a/": "line 1, rule 'start'",
    "start: A\nA: b\nb: /c/": r"rule 'A' \(line 2\) is a terminal and cannot use the rule 'b'",
    'start: "a"\nb: "c"\n%ignore b': r"rule '%ignore' \(line 1\) is a terminal and cannot use the rule 'b'",
    "start: A\n%import python.NAME": "'%import' of anything but common",
    "start: A\n%import common.NAME": "common has no terminal 'NAME'",
    "start: A\n%declare A": "'%declare'",
    "start: A\n%override start: B": "'%override'",
    'start: A & B\nA: "a"\nB: "b"': "'&' of terminals",
    "start: <|end|>": "a token by its name",
    "start: @other": "another grammar",
    "start: %regex {}": "a substring expression",
    "start: %json {": "a JSON schema must follow",
    'start: %json {"type": "strin"}': r"rule 'start' \(line 1\).*strin",
    'start: %json {"type": "integer", "maximum": NaN}': "NaN is not JSON",
    "A: %json {}\nstart: A": "a terminal cannot have a JSON schema",
    'root ::= "a" root': "no finite text matches rule 'root'",
    'root ::= "x"\na ::= (' + "(" * 60: "nested deeper than 50",
    'root ::= ("a"{1,1000} "b"){1,1000}': "needs more than 60000 states",
    'root ::= ("a" | "b")* "a" ("a" | "b"){24}': r"rule 'root' \(line 1\).*more than",
    'root ::= x\nx ::= "if " x ("else " x)? | "y"': r"rule 'x' \(line 2\) contains itself in a way",
    'root ::= "a" root "a" | "b" root "b" | .': "'a', which opens a part of rule 'root'",
    'root ::= x "é"\nx ::= "é" x "é" | ""': r"rule 'x' \(line 2\) contains itself",
    'root ::= a | b\na ::= "(" a ")" | "x"\nb ::= "(" [a-z]+ ">"': r"'\(', which opens a part of rule 'a' \(line 2\)",
}


@pytest.mark.parametrize("grammar", REFUSED)
def test_a_refusal_names_the_rule_and_the_line(grammar: str) -> None:
    with pytest.raises(GrammarError, match=REFUSED[grammar]):
        tables(grammar)


def test_levels_of_recursion_are_counted_where_no_automaton_follows_it() -> None:
    grammar = 'root ::= x\nx ::= "if " x (" else " x)? | "y"'
    assert accepts(grammar, "y", 1) and not accepts(grammar, "if y", 1)
    assert accepts(grammar, "if y else if y", 3) and not accepts(grammar, "if if if y", 3)


SIGNS = "root start x A ::= : | ( ) [ ] { } \" ' / \\ * + ? ~ .. - > -> < ! ^ $ . , # // % %ignore %import %json & i"
PIECES = [
    *SIGNS.split(),
    *"\n \t\ré😀\0",
    "common.",
    "\\x",
    "\\u{",
    "1",
    "99",
    "999999999",
    "{2,3}",
    '"a"',
    "/b/",
    "[a-z]",
]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_sent_is_compiled_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    known = [text for example in EXAMPLES.values() for text in (example.gbnf, example.lark) if len(text) < 900]
    known += ["root ::= ", "start: "]
    outcomes = {True: 0, False: 0}
    for _ in range(120):
        text = rng.choice(known)
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + "".join(rng.choices(PIECES, k=rng.randint(0, 4))) + text[at + rng.choice([0, 0, 1, 5]) :]
        try:
            tables(text, rng.choice(["", "gbnf", "lark"]))
            outcomes[True] += 1
        except GrammarError as error:
            assert error.message
            outcomes[False] += 1
    assert all(outcomes.values())
