"""Sets of numbers against exact decimal arithmetic, by value and not by spelling."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from backend.grammar.chars import numbers
from backend.grammar.errors import GrammarError

WHOLES = st.one_of(st.integers(0, 30), st.integers(0, 10**6), st.integers(9007199254740990, 9007199254740999))
FRACTIONS = st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=4).map(lambda digits: "." + digits))
SPELLINGS = st.tuples(st.sampled_from(["", "-"]), WHOLES.map(str), FRACTIONS).map("".join)
BOUNDS = st.one_of(st.none(), SPELLINGS.map(Decimal))


def _inside(value, low, low_exclusive, high, high_exclusive):
    above = low is None or value > low or (value == low and not low_exclusive)
    return above and (high is None or value < high or (value == high and not high_exclusive))


@settings(deadline=None, max_examples=300)
@given(BOUNDS, st.booleans(), BOUNDS, st.booleans(), st.lists(SPELLINGS, min_size=5, max_size=20), FRACTIONS)
def test_an_interval_holds_exactly_the_values_between(low, low_exclusive, high, high_exclusive, texts, fraction):
    language = numbers.decimals(low, low_exclusive, high, high_exclusive)
    bounds = [format(bound, "f") for bound in (low, high) if bound is not None]
    near = [bound + (fraction if "." not in bound else "0") for bound in bounds]
    near += [bound[:-1] for bound in bounds if bound[-2:-1].isdigit()]
    for text in texts + bounds + near:
        assert language.matches(text) == _inside(Decimal(text), low, low_exclusive, high, high_exclusive), text


@settings(deadline=None, max_examples=100)
@given(BOUNDS, st.booleans(), BOUNDS, st.booleans())
def test_the_outside_of_an_interval_is_its_complement(low, low_exclusive, high, high_exclusive):
    assume(low is None or high is None or low < high)
    below = numbers.CharDfa.empty() if low is None else numbers.decimals(None, False, low, not low_exclusive)
    above = numbers.CharDfa.empty() if high is None else numbers.decimals(high, not high_exclusive, None, False)
    assert numbers.PLAIN - numbers.decimals(low, low_exclusive, high, high_exclusive) == below | above


def test_bounds_are_exact_beyond_doubles_and_the_decimal_context():
    many_digits = Decimal("-" + "123456789" * 6 + ".5")
    with localcontext(prec=5):
        language = numbers.decimals(many_digits, False, many_digits, False)
    assert language.matches(str(many_digits))
    assert not language.matches(str(many_digits).replace(".5", ".4"))
    big = numbers.integers(9007199254740993, 9007199254740995) & numbers.INTEGER_SPELLING
    accepted = [value for value in range(9007199254740985, 9007199254741005) if big.matches(str(value))]
    assert accepted == [9007199254740993, 9007199254740994, 9007199254740995]


def test_zero_has_no_sign():
    zero = numbers.decimals(Decimal(0), False, Decimal(0), False)
    assert all(zero.matches(text) for text in ("0", "-0", "0.0", "-0.000"))
    assert not zero.matches("0.001")
    assert not numbers.decimals(Decimal(0), True, None, False).matches("-0.0")
    assert not numbers.INTEGER_SPELLING.matches("-0")


@settings(deadline=None)
@given(st.integers(-50, 50), st.integers(0, 60))
def test_integers_are_the_whole_values(low, width):
    language = numbers.integers(low, low + width)
    spelled = language & numbers.INTEGER_SPELLING
    assert [value for value in range(-120, 120) if spelled.matches(str(value))] == list(range(low, low + width + 1))
    assert language.matches(f"{low}.00")
    assert not language.matches(f"{low}.50")


DIVISORS = st.one_of(
    st.sampled_from([1, 2, 5, 7, 10, 12, 60, 64, 100, 125, 365, 1000, 3600, 86400, 10**6]).map(Decimal),
    st.sampled_from(["0.01", "0.05", "0.25", "1.5", "0.3", "0.001", "2.50", "1E+3", "1E-8", "0.125"]).map(Decimal),
)


@settings(deadline=None, max_examples=200)
@given(DIVISORS, st.integers(-(10**6), 10**6), SPELLINGS, FRACTIONS)
@example(Decimal(7), 3, "-0", ".0")
def test_multiples_are_exactly_those_without_a_remainder(divisor, times, text, fraction):
    language = numbers.multiples_of(divisor)
    with localcontext(prec=100):
        multiple = format(divisor * times, "f")
        candidates = [multiple, text, multiple + (fraction if "." not in multiple else "0")]
        for candidate in candidates:
            assert language.matches(candidate) == (Decimal(candidate) % divisor == 0), candidate


def test_powers_of_ten_need_few_states():
    assert len(numbers.multiples_of(Decimal(10) ** 12)) < 25


@pytest.mark.parametrize("divisor", ["1000003", "1E+50", "123456789012345678901234567890123456789012345"])
def test_a_divisor_that_needs_too_much_is_named(divisor):
    with pytest.raises(GrammarError, match="multipleOf"):
        numbers.multiples_of(Decimal(divisor))


def test_a_bound_beyond_all_sense_is_refused_before_it_is_written_out():
    with pytest.raises(GrammarError, match="1000 digits"):
        numbers.decimals(Decimal("1E+999999"), False, None, False)
    with pytest.raises(GrammarError, match="1000 digits"):
        numbers.decimals(Decimal("1E-999999"), False, None, False)


@given(SPELLINGS)
def test_every_plain_decimal_is_one(text):
    assert numbers.PLAIN.matches(text)
    assert numbers.INTEGER_VALUE.matches(text) == (Decimal(text) == int(Decimal(text)))


@pytest.mark.parametrize("text", ["1e5", "-1.5E-12", "0e0", "1E+289", "12", "-0.5"])
def test_numbers_of_json_are_numbers(text):
    assert numbers.ANY_NUMBER.matches(text)


@pytest.mark.parametrize("text", ["01", ".5", "5.", "+1", "1e", "--1", "1e400", "NaN", ""])
def test_other_spellings_are_not(text):
    assert not numbers.ANY_NUMBER.matches(text)
