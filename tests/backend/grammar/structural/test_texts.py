"""A string of an object that is of a grammar's language: in every form of calls what is written is read as such."""

import json
import random
from functools import cache

import pytest

from backend.grammar import Constraint, ContextFree, GrammarError, JsonDialect, JsonSchema, Regex, structural_constraint
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from backend.grammar.structural.terms import ConstText as Text
from backend.grammar.structural.terms import PythonDialect, QuotedDialect, TaggedDialect
from tests.backend.grammar.context_free import oracle
from tests.backend.grammar.context_free.grammars import EXAMPLES
from tests.backend.grammar.context_free.test_examples import changed, drawn, tables

SCHEMA = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}
LINES = TaggedDialect(
    open=(Text("<parameter="),), key_end=(Text(">"),), value_open=(), close=(Text("</parameter>"),),
    between=(Text("\n"),), newline=True, kinds=(), plain="</parameter>",
)  # fmt: skip
DIALECTS = {
    "json": (JsonDialect(objects_only=True), lambda text: json.dumps({"input": text}, ensure_ascii=False)),
    "python": (PythonDialect(), lambda text: f"input={json.dumps(text, ensure_ascii=False)}"),
    "quoted": (QuotedDialect((Text("<q>"),), "<q>"), lambda text: f"{{input:<q>{text}<q>}}"),
    "tagged": (LINES, lambda text: f"<parameter=input>\n{text}\n</parameter>"),
}
MARKERS = {"json": None, "python": None, "quoted": "<q>", "tagged": "</parameter>"}
PATCH = r"""
start: "*** Begin Patch" LF file+ "*** End Patch" LF?
file: "*** Delete File: " path | "*** Add File: " path ("+" rest)+ | "*** Update File: " path change*
change: "@@" rest line+
line: ("+" | "-" | " ") rest
path: /[^\n]+/ LF
rest: /[^\n]*/ LF
%import common.LF
"""
CHANGES = [
    '*** Begin Patch\n*** Add File: a.py\n+print("a\\n")\n+\n*** End Patch\n',
    "*** Begin Patch\n*** Update File: a\n@@ def f():\n-\told\n+new é\n \n*** Delete File: b\n*** End Patch",
]
NO_CHANGES = ["", "*** Begin Patch\n*** End Patch\n", "*** Begin Patch\n*** Add File: a\nx\n*** End Patch\n"]


def constraint(language, dialect) -> Constraint:
    return structural_constraint(JsonSchema(SCHEMA, "tool", dialect, texts=(("input", language),)))


@cache
def runner(language, name: str) -> Runner:
    return Runner(compile_constraint(constraint(language, DIALECTS[name][0])))


def accepts(language, name: str, text: str) -> bool:
    return runner(language, name).accepts(DIALECTS[name][1](text).encode())


@pytest.mark.parametrize("name", DIALECTS)
def test_a_string_is_of_its_language(name: str) -> None:
    for language in (ContextFree(PATCH, "format", "lark"), Regex(r"[a-z\"\\\n]{1,3}")):
        good, bad = (CHANGES, NO_CHANGES) if isinstance(language, ContextFree) else (["a", 'b"\\', "\n"], ["", "aaaa"])
        assert [text for text in good if not accepts(language, name, text)] == []
        assert [text for text in bad if accepts(language, name, text)] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_string_of_a_grammar_in_brackets_is_exactly_what_the_grammar_says(example: str) -> None:
    grammar = EXAMPLES[example].lark
    language = ContextFree(grammar, "format", "lark")
    check = runner(language, "json")
    words = [*EXAMPLES[example].good, *drawn(tables(grammar))]
    assert [word for word in words if not accepts(language, "json", word)] == []
    changes = [change for seed, word in enumerate(words[:20]) for change in changed(word, random.Random(seed))]
    changes += EXAMPLES[example].bad
    written = {text: check.accepts(DIALECTS["json"][1](text).encode()) for text in changes}
    assert [text for text, accepted in written.items() if accepted != oracle.accepts(grammar, text)] == []


@pytest.mark.parametrize("name", ["quoted", "tagged"])
def test_what_ends_a_string_is_not_in_it(name: str) -> None:
    for language in (ContextFree("start: /.+/s", "format", "lark"), Regex("(?s).+")):
        assert accepts(language, name, "a<b")
        assert not accepts(language, name, f"a{MARKERS[name]}b")
        if name == "tagged":
            assert not accepts(language, name, "a\n</parameter>b")


@pytest.mark.parametrize(
    ("language", "name", "words"),
    [
        (ContextFree('start: "(" start ")" | "a"', "format", "lark"), "tagged", "contains itself in brackets"),
        (ContextFree('start: "<q>"', "format", "lark"), "quoted", "which ends a string"),
        (ContextFree('start: %json {"type": "null"}', "format", "lark"), "json", "JSON schema"),
        (ContextFree("start: a", "format", "lark"), "json", "'a' is used in line 1, but not defined"),
        (Regex("(a"), "json", "not closed|parenthesis|missing"),
        (Regex("[^\\s\\S]"), "json", "no value|matches nothing|satisf"),
    ],
)
def test_a_language_that_cannot_be_had_is_refused_with_its_place(language, name: str, words: str) -> None:
    with pytest.raises(GrammarError, match=words) as caught:
        compile_constraint(constraint(language, DIALECTS[name][0]))
    assert caught.value.pointer.startswith("tool")
