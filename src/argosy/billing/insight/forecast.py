"""What a month will cost, from the days before. Pure; integers and fractions, no floats.

The method, so that anyone can do it again: a day is expected to cost what its weekday cost in the mean of the complete
days there are, at most 56, that mean being drawn towards the mean of all days as if the weekday had been seen twice
more as an average day: one odd Monday does not make all Mondays odd. The month is what was spent, what is left of
today's expectation, and the expectation of the days to come. The interval holds four of five months if days vary
independently around what is expected of them: 1.28 standard deviations, of the days to come and of the mean itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from math import isqrt

DAYS_MIN = 7
"""Complete days that it takes: each weekday once."""
DAYS_MAX = 56
_PRIOR = 2
_DEVIATIONS = Fraction(128, 100)


@dataclass(frozen=True)
class Forecast:
    """Micro-units of the whole month that a day is in."""

    enough: bool
    """Whether there are days enough to say anything; if not, only ``spent`` means something."""
    spent: int
    expected: int = 0
    low: int = 0
    """Never less than was spent."""
    high: int = 0
    days: int = 0
    """Complete days that it is drawn from."""


def forecast(spent_on: Mapping[date, int], today: date) -> Forecast:
    """``spent_on``: what each day cost; days without usage may be left out. The first day is the first one there."""
    month = [day for day in spent_on if (day.year, day.month) == (today.year, today.month) and day <= today]
    spent = sum(spent_on[day] for day in month)
    first = max(min(spent_on, default=today), today - timedelta(days=DAYS_MAX))
    known = [first + timedelta(days=number) for number in range((today - first).days)]
    if len(known) < DAYS_MIN:
        return Forecast(False, spent, days=len(known))
    amounts = {day: spent_on.get(day, 0) for day in known}
    mean = Fraction(sum(amounts.values()), len(known))

    def expected(day: date) -> Fraction:
        same = [amounts[each] for each in known if each.weekday() == day.weekday()]
        return (sum(same) + _PRIOR * mean) / (len(same) + _PRIOR)

    days = [today + timedelta(days=number) for number in range(1, 32)]
    to_come = [day for day in days if (day.year, day.month) == (today.year, today.month)]
    rest_of_today = max(Fraction(0), expected(today) - spent_on.get(today, 0))
    total = spent + rest_of_today + sum(map(expected, to_come))
    squares = sum(((amounts[day] - expected(day)) * (amounts[day] - expected(day)) for day in known), Fraction(0))
    variance = Fraction(squares, len(known) - 1)
    left = len(to_come) + (1 if rest_of_today else 0)
    spread = _DEVIATIONS * _root(variance * (left + Fraction(left * left, len(known))))
    return Forecast(True, spent, round(total), max(spent, round(total - spread)), round(total + spread), len(known))


def _root(value: Fraction) -> int:
    return isqrt(value.numerator // value.denominator)
