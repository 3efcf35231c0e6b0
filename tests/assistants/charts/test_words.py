from datetime import date
from decimal import Decimal

import pytest

from argosy.assistants.charts.words import full_number, period_name, short_number


@pytest.mark.parametrize(
    ("value", "english", "chinese"),
    [
        (0, "0", "0"),
        (950, "950", "950"),
        (Decimal("12675.5"), "12.7K", "1.27万"),
        (752_000, "752K", "75.2万"),
        (-44_600, "−44.6K", "−4.46万"),
        (222_500_000, "222.5M", "2.23亿"),
    ],
)
def test_short_numbers(value, english, chinese):
    assert short_number(value, "en") == english
    assert short_number(value, "zh") == chinese


def test_full_numbers_keep_the_cents():
    assert full_number(Decimal("1234567.89")) == "1,234,567.89"
    assert full_number(42) == "42"


def test_periods_are_named_in_the_language():
    day = date(2019, 4, 1)
    assert [period_name(day, p, "en") for p in ("month", "quarter", "year")] == ["Apr 2019", "Q2 2019", "2019"]
    assert [period_name(day, p, "zh") for p in ("month", "quarter", "year")] == ["2019年4月", "2019年2季度", "2019年"]
