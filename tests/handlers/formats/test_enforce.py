"""What the grammar of an answer allows is what the parser takes for calls, with valid arguments, in every family."""

import json
import re
from functools import cache

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar import ConstText, ControlToken, JsonSchema, Marker, structural_constraint
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from backend.grammar.structural.control import CUT, marker_bytes, spelling
from handlers.formats.enforce import OutputGrammar, Tool
from handlers.formats.families import TOOL_SYNTAXES
from tests.grammar_suite.walks import Walker
from tests.handlers.formats.writing import FAMILIES, format_of, read

PLACE = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 1, "maxLength": 9},
        "unit": {"enum": ["C", "F", None]},
        "days": {"type": "integer", "minimum": 1, "maximum": 14},
        "tags": {"type": "array", "items": {"type": ["string", "boolean"]}, "maxItems": 2},
        "either": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[a-z<{ ]*$"}]},
    },
    "required": ["city", "days"],
}
TREE = {
    "$ref": "#/$defs/tree",
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {"leaf": {"type": "boolean"}, "sons": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
            "required": ["leaf"],
        }
    },
}
SHAPE = {
    "oneOf": [
        {"type": "object", "properties": {"radius": {"type": "number", "minimum": 0}}, "required": ["radius"]},
        {
            "type": "object",
            "properties": {"side": {"type": "integer"}, "name": {"type": "string"}},
            "required": ["side"],
        },
    ]
}
SCHEMAS = {"get_place": PLACE, "plant-tree": TREE, "draw": SHAPE, "now": {}}
TOOLS = [Tool(name, schema, f"tools.{i}") for i, (name, schema) in enumerate(SCHEMAS.items())]
CONTROL = re.compile(
    r"</?arg_[a-z]+>|<\|[^>]*\|>|\[[A-Z_]+\]|</?tool_call>|</?think>|<｜[^>]*｜>|<\|channel>|<channel\|>|<escape>"
)
"""What is a control token in the vocabularies of some families."""


class Speller:
    """Markers as plain text, or with control tokens in them."""

    def __init__(self, controls: bool) -> None:
        self.controls, self.ids = controls, {}

    def __call__(self, marker: str) -> Marker:
        parts, at = [], 0
        for match in CONTROL.finditer(marker) if self.controls else ():
            parts += [ConstText(marker[at : match.start()])] if match.start() > at else []
            parts.append(ControlToken(self.ids.setdefault(match[0], len(self.ids))))
            at = match.end()
        return (*parts, ConstText(marker[at:])) if at < len(marker) else tuple(parts)

    def read(self, word: bytes) -> str:
        """The text of a word of the grammar."""
        for marker, id in self.ids.items():
            word = word.replace(spelling(id), marker.encode())
        return word.decode(errors="replace")


@cache
def words(family, controls, kind, parallel, opened):
    """How markers are spelled, and what draws words of the grammar."""
    speller = Speller(controls)
    grammar = OutputGrammar(format_of(family), speller, opened)
    term = getattr(grammar, kind)(TOOLS, parallel)
    return speller, Walker(compile_constraint(structural_constraint(term)), 0, budget=60)


def check_calls(calls):
    for name, arguments in calls:
        jsonschema.validate(json.loads(arguments), SCHEMAS[name])
        assert isinstance(json.loads(arguments), dict)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("controls", [False, True])
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), parallel=st.booleans(), opened=st.booleans())
def test_where_there_must_be_a_call_there_is_nothing_else_and_it_is_valid(family, controls, seed, parallel, opened):
    speller, walker = words(family, controls, "calls_only", parallel, opened)
    walker.reseed(seed)
    word = walker.word()
    if word is None:
        return
    answer = read(format_of(family), speller.read(word), tools=SCHEMAS, opened=opened)
    assert answer.content.strip() == "" and answer.calls
    assert parallel or len(answer.calls) == 1
    check_calls(answer.calls)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("controls", [False, True])
@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize(
    "opening", [Speller.__call__, lambda _, marker: (ConstText(marker),)], ids=["spelled", "plain"]
)
def test_what_looks_like_a_call_inside_reasoning_is_free(family, controls, opened, opening):
    format = format_of(family)
    speller, walker = words(family, controls, "text_with_calls", True, opened)
    begun = [] if opened else opening(speller, format.reasoning.open)
    markers = [marker for syntax in format.tools[:1] for marker in syntax.markers]
    parts = [*begun, *(part for marker in markers for part in [*speller(marker), ConstText(" x ")])]
    word = marker_bytes(parts)
    at = walker.runner.run(word)
    assert at is not None and walker.tables.in_reasoning[at.state] and walker.runner.complete(at)
    closed = walker.runner.run(marker_bytes(speller(format.reasoning.close)), at)
    assert not walker.tables.in_reasoning[closed.state]


@pytest.mark.parametrize("reasoning", ["think", "mistral", "gemma4", "harmony"])
@pytest.mark.parametrize("calls", [False, True])
@pytest.mark.parametrize("opened", [False, True])
@pytest.mark.parametrize("forced", [False, True])
def test_behind_reasoning_that_was_ended_by_force_nothing_ends_it_again(reasoning, calls, opened, forced):
    """What a model ends by itself is followed by any text, as without a limit."""
    family = "harmony" if reasoning == "harmony" else "hermes"
    format = format_of(family, reasoning)
    syntax, speller = format.reasoning, Speller(True)
    grammar = OutputGrammar(format, speller, opened, limited=True)
    term = grammar.text_with_calls(TOOLS, True) if calls else grammar.any_text()
    runner = Runner(compile_constraint(structural_constraint(term)))

    def written(*texts):
        return b"".join(marker_bytes(speller(text)) for text in texts)

    begun = () if opened else (syntax.open,)
    ended = runner.run(written(*begun, "hm") + bytes([CUT] * forced) + written(syntax.close, syntax.behind))
    assert ended is not None and runner.complete(ended)
    assert runner.complete(runner.run(b"So 1 < 2.", ended))
    if reasoning == "harmony":
        assert runner.run(b"final", ended) is not None and (runner.run(b"analysis", ended) is None) == forced
    else:
        may_open = syntax.anywhere or not forced
        assert (runner.run(written("So", syntax.close), ended) is None) == forced
        assert (runner.run(written("So", syntax.open), ended) is not None) == may_open
        assert (runner.run(written("So", syntax.open, "x", syntax.close), ended) is not None) == may_open
    if calls:
        head = "commentary to=functions." if reasoning == "harmony" else '<tool_call>\n{"name": "'
        assert runner.run(written(f"{head}now"), ended) is not None
        assert runner.run(written(f"{head}nothing"), ended) is None


MARKED = [family for family in FAMILIES if TOOL_SYNTAXES[family][0].marker]


@pytest.mark.parametrize("family", MARKED)
@pytest.mark.parametrize("controls", [False, True])
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), parallel=st.booleans(), before=st.text(max_size=8))
def test_a_call_that_comes_by_itself_is_valid_from_its_marker_on(family, controls, seed, parallel, before):
    speller, walker = words(family, controls, "text_with_calls", parallel, False)
    walker.reseed(seed)
    syntax = format_of(family).tools[0]
    before = before.encode(errors="ignore") + b" "
    marker = marker_bytes(speller(syntax.marker))
    runner, word = walker.runner, before + marker
    at = runner.run(word)
    assert at is not None and not runner.complete(at), "the marker commits to a call"
    rest = walker.word(at)
    if rest is None:
        return
    answer = read(format_of(family), speller.read(word + rest), tools=SCHEMAS)
    assert answer.calls and (parallel or len(answer.calls) == 1)
    check_calls(answer.calls)
    assert before.decode().strip() in answer.content


@pytest.mark.parametrize("family", MARKED)
@settings(max_examples=20)
@given(said=st.text(max_size=30))
def test_any_other_text_is_free(family, said):
    _, walker = words(family, False, "text_with_calls", True, False)
    format = format_of(family)
    markers = [marker for syntax in format.tools for marker in syntax.markers]
    if not any(marker in said for marker in markers):
        assert walker.runner.accepts(said.encode(errors="ignore"))


@cache
def boolean(family, opened):
    answer = OutputGrammar(format_of(family), Speller(False), opened).after_reasoning(
        JsonSchema({"type": "boolean"}, "")
    )
    return compile_constraint(structural_constraint(answer))


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=20)
@given(thought=st.text(max_size=20), opened=st.booleans())
def test_an_answer_in_a_format_comes_behind_any_reasoning(family, thought, opened):
    format, compiled = format_of(family), boolean(family, opened)
    runner = Runner(compiled)
    head = "<|channel|>final<|message|>" if format.flow == "channels" else ""
    between = "<|start|>assistant" if format.flow == "channels" else "\n\n"
    thought = thought.encode(errors="ignore").decode().replace(format.reasoning.close, "")
    begun = "" if opened else format.reasoning.open
    word = f"{begun}{thought}{format.reasoning.close}{between}{head}true"
    assert runner.accepts(word.encode())
    assert not runner.accepts(word[: len(word) - len("true")].encode())
    inside = runner.run(f"{begun}{thought}".encode())
    assert compiled.in_reasoning[inside.state] and not compiled.in_reasoning[runner.run(word.encode()).state]
    assert opened or runner.accepts(f"{head}true".encode())
