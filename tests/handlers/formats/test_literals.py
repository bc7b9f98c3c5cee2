"""Python's literals and quoted objects as JSON: what Python itself reads of them, and nothing that it refuses."""

import ast
import json
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.formats.literals import python_arguments, quoted_arguments
from handlers.formats.scanner import Malformed, TextScanner

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,4}", fullmatch=True)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=8)


def containers(inner):
    tuples = st.lists(inner, max_size=3).map(tuple)
    return st.lists(inner, max_size=3) | tuples | st.dictionaries(st.text(max_size=4), inner, max_size=3)


VALUES = st.recursive(SCALARS, containers, max_leaves=6)


def complete(reading, *pieces):
    """(what `reading(scanner)` gives for a text in these pieces, what it left), None for what is malformed."""
    scanner = TextScanner()
    running = reading(scanner)
    try:
        for piece in pieces:
            scanner.feed(piece)
            next(running)
        scanner.ended = True
        next(running)
    except Malformed:
        return None
    except StopIteration as stop:
        return stop.value, "".join(pieces)[scanner.pos :]
    raise AssertionError("it waits for text after the end")


def python_says(arguments):
    """The keyword arguments as Python reads them; None where it refuses them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that Python does not know
            call = ast.parse(f"f({arguments})", mode="eval").body
    except (SyntaxError, ValueError):
        return None
    if not isinstance(call, ast.Call) or call.args or not all(keyword.arg for keyword in call.keywords):
        return None
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}


def as_json(value):
    return json.loads(json.dumps(value))


@given(st.text())
def test_escapes_of_json_are_read_as_json_reads_them(text):
    """A vocabulary may have no tokens for a character; pairs of surrogates are not what Python has for it."""
    json_text, rest = complete(python_arguments, f"a={json.dumps(text)})")
    assert json.loads(json_text) == {"a": text} and rest == ""


@given(arguments=st.dictionaries(NAMES, VALUES, max_size=3), behind=st.sampled_from(["", ")", ", g()", "é"]))
def test_what_python_writes(arguments, behind):
    text = ", ".join(f"{name}={value!r}" for name, value in arguments.items()) + ")"
    found = complete(python_arguments, *text, *behind)
    assert found is not None
    assert json.loads(found[0]) == as_json(arguments)
    found[0].encode()


PARTS = [
    "a=",
    "b=",
    "'x'",
    '"y"',
    "'",
    '"',
    "'''",
    "\\n",
    "\\x41",
    "\\u00e9",
    "\\101",
    "\\'",
    "\\d",
    "1",
    "-1.5e3",
    "0x1F",
]
PARTS += [
    "1_0",
    "007",
    "True",
    "None",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ",",
    ", ",
    ":",
    " ",
    "é",
    "nan",
    "1e999",
    "-",
    "2j",
]


@given(text=st.lists(st.sampled_from(PARTS), max_size=10).map("".join))
def test_what_python_refuses_is_refused(text):
    """And the rest means the same, as far as both read it."""
    found = complete(python_arguments, *f"a={text})")
    if found is not None:
        said = python_says(f"a={text})"[: -1 - len(found[1])])
        assert said is not None and json.loads(found[0]) == as_json(said)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (")", {}),
        (" a = 1 , )", {"a": 1}),
        ("a=true, b=false, c=null)", {"a": True, "b": False, "c": None}),
        ("a='x' \"y\")", {"a": "xy"}),
        ("a='''x'y''z''')", {"a": "x'y''z"}),
        ("a='two\nlines')", {"a": "two\nlines"}),
        ("a=(1,), b=(), c=[1, (2, 3),])", {"a": [1], "b": [], "c": [1, [2, 3]]}),
        ("a={'k': {'l': [None]},})", {"a": {"k": {"l": [None]}}}),
        ("a=1., b=+.5, c=1_000)", {"a": 1.0, "b": 0.5, "c": 1000}),
        ("a-b=1, $c=2)", {"a-b": 1, "$c": 2}),
        ("a='\\ud800')", {"a": "\ud800"}),
        *((text, None) for text in ["1)", "a=(1))", "a={1})", "a=1, a=2)", "a=b)", "a=[,])", "a=1 b=2)", "a={'k'})"]),
        *(
            (text, None)
            for text in ["**a)", "a=f())", "a=1+2)", "a=1e999)", "a=nan)", "a={1: 2})", "a=", "a='", "a=,)"]
        ),
    ],
)
def test_python_by_example(text, expected):
    found = complete(python_arguments, text)
    assert found == complete(python_arguments, *text)
    assert (found and json.loads(found[0])) == expected
    if found is not None:
        found[0].encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ("{a:1,b:<q>x<q>}", {"a": 1, "b": "x"}),
        ("{ a : true , <q>b c<q> : null }", {"a": True, "b c": None}),
        ("{a:[<q>}<q>,{<q>k<q>:-1.5e3}],}", {"a": ["}", {"k": -1500.0}]}),
        ('{"a":"x\\n","b":<q>"raw\\n"<q>}', {"a": "x\n", "b": '"raw\\n"'}),
        ("{first name:<q><q>}", {"first name": ""}),
        *(
            (text, None)
            for text in ["{a}", "{a:}", "{a:b}", "{:1}", "{a:<q>x}", "[]", "{a:1]", "{a:01}", "{a:1 2}", "{"]
        ),
    ],
)
def test_quoted_by_example(text, expected):
    found = complete(lambda scanner: quoted_arguments(scanner, "<q>"), text)
    assert found == complete(lambda scanner: quoted_arguments(scanner, "<q>"), *text)
    assert (found and json.loads(found[0])) == expected


def test_depth_is_no_danger():
    deep = 10_000
    assert complete(python_arguments, f"a={'[' * deep}") is None
    found = complete(python_arguments, f"a={'[' * deep}{']' * deep})")
    assert found == ('{"a": ' + "[" * deep + "]" * deep + "}", "")
