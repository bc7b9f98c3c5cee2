"""Conjunction, complement and emptiness of the sets of values, against membership of single values."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from backend.grammar.chars.parse import pattern
from backend.grammar.schema.shapes.numbers import NumberShape
from backend.grammar.schema.shapes.strings import StringShape

halves = st.integers(-6, 6).map(lambda n: Decimal(n) / 2)
bounds = st.none() | st.tuples(halves, st.booleans())
NUMBERS = [Decimal(n) / 4 for n in range(-16, 17)]
TEXTS = [a + b + c for a in ("", "a", "b") for b in ("", "a", "b") for c in ("", "ab", "é")]

numbers = st.builds(
    NumberShape,
    st.booleans(),
    bounds,
    bounds,
    st.frozensets(st.sampled_from([Decimal(2), Decimal("0.5"), Decimal(3)]), max_size=2),
) | st.builds(lambda values: NumberShape(values=values), st.frozensets(halves, min_size=1, max_size=4))
strings = st.builds(
    StringShape,
    st.none() | st.sampled_from(["a", "^b", "^(ab)*$"]).map(pattern),
    st.integers(0, 3),
    st.none() | st.integers(0, 4),
) | st.builds(lambda values: StringShape(values=values), st.frozensets(st.sampled_from(TEXTS), min_size=1, max_size=4))


def number_in(shape: NumberShape | None, value: Decimal) -> bool:
    return shape is not None and shape.plain().matches(format(value, "f"))


def text_in(shape: StringShape | None, value: str) -> bool:
    if shape is None:
        return False
    contents = shape.contents()
    return contents is None or contents.matches(value)


@given(numbers, numbers)
def test_numbers_in_both_are_in_the_conjunction(a: NumberShape, b: NumberShape) -> None:
    both = a.meet(b)
    for value in NUMBERS:
        assert number_in(both, value) == (number_in(a, value) and number_in(b, value))


@given(numbers)
def test_a_number_is_in_a_set_or_in_its_complement(shape: NumberShape) -> None:
    outside = shape.complement()
    for value in NUMBERS:
        assert number_in(shape, value) != any(number_in(part, value) for part in outside)


@given(numbers)
def test_a_set_of_numbers_is_empty_exactly_when_it_has_no_plain_decimal(shape: NumberShape) -> None:
    assert shape.inhabited() != shape.plain().is_empty


@given(numbers)
def test_what_is_written_belongs_to_the_set_as_a_reader_sees_it(shape: NumberShape) -> None:
    written = shape.written()
    for text in ("0", "1.5", "-2", "0.99999999999999999", "1.00000000000000001", "2.0", "-0"):
        if written.matches(text):
            assert number_in(shape, Decimal(repr(float(text)))), text


@given(strings, strings)
def test_strings_in_both_are_in_the_conjunction(a: StringShape, b: StringShape) -> None:
    both = a.meet(b)
    for value in TEXTS:
        assert text_in(both, value) == (text_in(a, value) and text_in(b, value))


@given(strings)
def test_a_string_is_in_a_set_or_in_its_complement(shape: StringShape) -> None:
    outside = shape.complement()
    for value in TEXTS:
        assert text_in(shape, value) != any(text_in(part, value) for part in outside)
