"""Numbers have few digits unless the schema wants more; what is written stays a number of the schema."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.grammar import Constraint, GrammarError
from backend.grammar.automaton.run import Runner
from backend.grammar.compile import compile_constraint
from tests.backend.grammar.schema.languages import language
from tests.grammar_suite.walks import Walker

NINES = "9" * 19
INTEGER, NUMBER = {"type": "integer"}, {"type": "number"}
LARGE = Decimal(10**25)
BOUNDED: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
    "integer": (INTEGER, [NINES, f"-{NINES}", "0"], [f"{NINES}9", f"-{NINES}9"]),
    "number": (
        NUMBER,
        [NINES, f"-{NINES}.{'1' * 17}e10", f"0.{'1' * 17}", "1e289", f"{NINES}E+289"],
        [f"{NINES}9", f"0.{'1' * 18}", "1e290", f"1.{'0' * 18}e1"],
    ),
    "any value": ({}, [f"[{NINES}, 0.{'1' * 17}]"], [f"[{NINES}9]", f"[0.{'1' * 18}]"]),
    "a lower bound": ({**INTEGER, "minimum": 5}, [NINES, "5"], [f"{NINES}9", "4"]),
    "a large lower bound": ({**INTEGER, "minimum": LARGE}, [f"1{'0' * 25}", "9" * 26], ["9" * 27, "9" * 25]),
    "a large upper bound": ({**INTEGER, "maximum": LARGE}, [f"1{'0' * 25}", f"-{'9' * 26}"], [f"-{'9' * 27}"]),
    "two large bounds": (
        {**INTEGER, "minimum": -LARGE, "maximum": LARGE},
        [f"-1{'0' * 25}", f"1{'0' * 25}"],
        ["9" * 26],
    ),
    "a fraction": ({**NUMBER, "minimum": 0, "maximum": 1}, ["1", f"0.{'3' * 17}"], [f"0.{'3' * 18}"]),
    "a long fraction": ({**NUMBER, "minimum": Decimal("0." + "1" * 20)}, ["0." + "1" * 20], ["0." + "1" * 21]),
    "a divisor": ({**INTEGER, "multipleOf": 7}, ["7", "7" * 19], ["7" * 20, "8"]),
    "a large divisor": ({**INTEGER, "multipleOf": Decimal(3 * 10**20)}, [f"3{'0' * 20}", "0"], [f"3{'0' * 21}"]),
    "a divisor and a large bound": (
        {**INTEGER, "multipleOf": Decimal(7 * 10**24), "minimum": Decimal(99 * 10**23)},
        [f"14{'0' * 24}"],
        [f"7{'0' * 24}"],
    ),
    "a decimal divisor": ({**NUMBER, "multipleOf": 0.01}, ["0.25", f"0.25{'0' * 15}"], [f"0.25{'0' * 16}", "0.001"]),
    "what a negation leaves": ({**INTEGER, "not": {"minimum": 0}}, [f"-{NINES}"], [f"-{NINES}9", "0"]),
    "side by side": (
        {"anyOf": [INTEGER, {**NUMBER, "minimum": 0.5}]},
        [NINES, "-1", "0.5", "2.5"],
        [f"{NINES}9", "-0.5"],
    ),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_digits_are_bounded_unless_the_schema_has_more(name: str) -> None:
    schema, accepted, rejected = BOUNDED[name]
    run = language(schema)
    assert [text for text in accepted if not run.accepts(text.encode())] == []
    assert [text for text in rejected if run.accepts(text.encode())] == []
    assert len(run._t.transitions) < 200


@pytest.mark.parametrize("schema", [INTEGER, NUMBER, {**INTEGER, "minimum": 0}, {**NUMBER, "multipleOf": 0.5}])
def test_digits_are_not_bounded_where_the_server_is_told_so(schema: dict) -> None:
    run = Runner(compile_constraint(Constraint("json_schema", json.dumps(schema), bounded_numbers=False)))
    assert run.accepts(b"9" * 500)
    assert not run.accepts(b"9" * 500 + b"x")


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["integer", "number"]),
            "minimum": st.integers(-(10**22), 10**22) | st.decimals(-5, 5, places=3),
            "exclusiveMaximum": st.integers(-(10**22), 10**22) | st.decimals(-5, 5, places=19),
            "multipleOf": st.sampled_from([3, 7, 1000, Decimal("0.25"), Decimal(10**19), Decimal("1e-18")]),
        },
    ),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_from_wherever_a_number_gets_it_comes_to_an_end(schema: dict, seed: int) -> None:
    """Where only the bound of digits would be hurt, a longer number is written."""
    shape = {"type": "number", **schema}
    try:
        tables = language(shape)._t
    except GrammarError as error:
        assert type(error) is GrammarError
        assert "no finite value" in str(error)
        low, high = Decimal(shape["minimum"]), Decimal(shape["exclusiveMaximum"])
        assert high - low <= max(shape.get("multipleOf", 0), 1)
        return
    walker = Walker(tables, seed, budget=60)
    for _ in range(5):
        word = walker.word()
        assert word is not None
        assert len(word) < 90
