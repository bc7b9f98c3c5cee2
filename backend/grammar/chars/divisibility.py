"""Long division, digit by digit, with as few remainders told apart as the divisor needs."""

from collections.abc import Iterator
from decimal import Decimal

from backend.grammar.errors import GrammarError

_POINT, _ZERO = ord("."), ord("0")
_MAX_DIGITS = 40
_START, _LEADING_ZERO, _WHOLE = -4, -3, -2

Progress = tuple[int, int]
"""(place, remainder): place is _START, _LEADING_ZERO, _WHOLE, or the digits after the point that have been read."""


class Remainders:
    """States of reading an unsigned plain decimal: the remainder of what was read by the divisor.

    The divisor is modulus / 10**places. After `places` digits behind the point only zeros may follow. Two remainders
    that the same further digits complete are one (their multiples of 10**n are), so that 10**6 takes 7, not 10**6.
    """

    start: Progress = (_START, 0)

    def __init__(self, divisor: Decimal) -> None:
        _, digits, exponent = divisor.as_tuple()
        self.modulus = int("".join(map(str, digits)))
        exponent = int(exponent)
        while self.modulus % 10 == 0:
            self.modulus //= 10
            exponent += 1
        if len(str(self.modulus)) + abs(exponent) > _MAX_DIGITS:
            raise GrammarError(f"multipleOf {divisor}: more than {_MAX_DIGITS} digits are not supported")
        self.modulus *= 10 ** max(exponent, 0)
        self.places = max(-exponent, 0)
        self.representative: dict[tuple[int | None, ...], int] = {}

    def accepts(self, state: Progress) -> bool:
        place, remainder = state
        missing = self.places - max(place, 0)
        return place not in (_START, 0) and remainder * 10 ** max(missing, 0) % self.modulus == 0

    def moves(self, state: Progress) -> Iterator[tuple[int, int, Progress]]:
        place, remainder = state
        if place in (_LEADING_ZERO, _WHOLE) and (self.places or remainder == 0):
            yield _POINT, _POINT, (0, remainder)
        if place == _LEADING_ZERO:
            return
        for digit in range(10 if place < self.places else 1):
            yield _ZERO + digit, _ZERO + digit, self.after(place, remainder, digit)

    def after(self, place: int, remainder: int, digit: int) -> Progress:
        if place == _START:
            return (_LEADING_ZERO, 0) if digit == 0 else (_WHOLE, self.merged(digit))
        if place == _WHOLE:
            return _WHOLE, self.merged(remainder * 10 + digit)
        if place >= self.places:
            return max(self.places, 1), remainder
        return place + 1, self.merged(remainder * 10 + digit)

    def merged(self, value: int) -> int:
        """One remainder for all that the same digits complete to a multiple of the modulus."""
        shifted = remainder = value % self.modulus
        completions: list[int | None] = []
        power = 1
        while power < self.modulus:
            needed = -shifted % self.modulus
            completions.append(needed if needed < power else None)
            shifted, power = shifted * 10 % self.modulus, power * 10
        completions.append(-shifted % self.modulus)
        return self.representative.setdefault(tuple(completions), remainder)
