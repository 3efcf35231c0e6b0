"""Date phrases of the sample requests: which periods exist, who may use them, and the ways of writing them.

A period is a pair of ISO days, both inclusive. A slot such as `mr2` is a kind of period and a way of writing it:
`y` year, `yy` years, `h` half-year, `q` quarter, `mo` month, `mr` months of one year, `mx` months across New Year,
`d` days of one year.
"""

from __future__ import annotations

import calendar
import hashlib
from collections.abc import Callable
from datetime import date, timedelta

YEARS = (2018, 2019, 2020, 2021)
Period = tuple[date, date]

# The reference request's period appears in no sample row, only in the demonstration.
REFERENCE: Period = (date(2019, 3, 1), date(2019, 5, 31))

# Few such periods exist, so their pools are written out; the many others are dealt out by a hash.
_FEW: dict[str, dict[str, list[tuple[int, ...]]]] = {
    "y": {"train": [(2018,), (2019,), (2020,)], "dev": [(2018,), (2019,), (2020,)], "held": [(2021,)]},
    "yy": {
        "train": [(2018, 2019), (2018, 2020), (2019, 2020)],
        "dev": [(2018, 2021)],
        "held": [(2019, 2021), (2020, 2021)],
    },
    "h": {
        "train": [(2018, 1), (2018, 2), (2019, 2), (2020, 1), (2021, 2)],
        "dev": [(2019, 1)],
        "held": [(2020, 2), (2021, 1)],
    },
    "q": {
        "train": [(2018, 1), (2018, 3), (2018, 4), (2019, 1), (2019, 2), (2019, 4), (2020, 2), (2020, 3), (2021, 1)],
        "dev": [(2018, 2), (2020, 4), (2021, 3)],
        "held": [(2019, 3), (2020, 1), (2021, 2), (2021, 4)],
    },
}


def _months(first: tuple[int, int], last: tuple[int, int]) -> Period:
    return date(*first, 1), date(*last, calendar.monthrange(*last)[1])


def _few(kind: str, key: tuple[int, ...]) -> Period:
    if kind in ("y", "yy"):
        return _months((key[0], 1), (key[-1], 12))
    size = 6 if kind == "h" else 3
    year, n = key
    return _months((year, (n - 1) * size + 1), (year, n * size))


def _many(kind: str) -> list[Period]:
    if kind == "mo":
        return [_months((y, m), (y, m)) for y in YEARS for m in range(1, 13)]
    if kind == "mr":
        return [_months((y, a), (y, b)) for y in YEARS for a in range(1, 12) for b in range(a + 1, min(a + 8, 13))]
    if kind == "mx":
        return [_months((y, a), (y + 1, b)) for y in YEARS[:-1] for a in range(8, 13) for b in range(1, 7)]
    whole = [_months((y, a), (y, b)) for y in YEARS for a in range(1, 12) for b in range(a + 1, min(a + 6, 13))]
    starts = [date(y, m, d) for y in YEARS for m in range(1, 11) for d in (1, 5, 8, 11, 15, 16, 20, 23)]
    odd = [(s, s + timedelta(days=n)) for s in starts for n in (19, 30, 44, 75) if (s + timedelta(n)).year == s.year]
    return whole + odd


def _pool_of(period: Period) -> str:
    digest = hashlib.sha256(f"{period[0]}/{period[1]}".encode()).digest()[0]
    return "train" if digest < 128 else "dev" if digest < 170 else "held"


def periods(kind: str, pool: str) -> list[Period]:
    """Return the periods of a kind that only this pool may use, in a fixed order."""
    if kind in _FEW:
        return [_few(kind, key) for key in _FEW[kind][pool]]
    fixed = {_few(k, key) for k, pools in _FEW.items() for keys in pools.values() for key in keys} | {REFERENCE}
    return [p for p in _many(kind) if p not in fixed and _pool_of(p) == pool]


_ORDINALS = ("first", "second", "third", "fourth")
_SHORT_ORDINALS = ("1st", "2nd", "3rd", "4th")
_HANZI = "零一二三四五六七八九十"


def _month_hanzi(month: int) -> str:
    return _HANZI[month] if month <= 10 else "十" + _HANZI[month - 10]


def _en_styles(a: date, b: date) -> dict[str, str]:
    long_a, long_b, short_a, short_b = f"{a:%B}", f"{b:%B}", f"{a:%b}", f"{b:%b}"
    quarter, half = (a.month - 1) // 3, (a.month - 1) // 6
    return {
        "y1": f"{a.year}",
        "yy1": f"{a.year} to {b.year}",
        "yy2": f"{a.year}-{b.year}",
        "h1": f"the {_ORDINALS[half]} half of {a.year}",
        "h2": f"H{half + 1} {a.year}",
        "q1": f"Q{quarter + 1} {a.year}",
        "q2": f"the {_ORDINALS[quarter]} quarter of {a.year}",
        "q3": f"{a.year} Q{quarter + 1}",
        "q4": f"the {_SHORT_ORDINALS[quarter]} quarter of {a.year}",
        "q5": f"Q{quarter + 1} of {a.year}",
        "mo1": f"{long_a} {a.year}",
        "mo2": f"{short_a} {a.year}",
        "mo3": f"{a:%Y-%m}",
        "mr1": f"{long_a} to {long_b} {b.year}",
        "mr2": f"{short_a}-{short_b} {b.year}",
        "mr3": f"{long_a} through {long_b} {b.year}",
        "mr5": f"{long_a} {a.year} to {long_b} {b.year}",
        "mr6": f"{long_a} and {long_b} {b.year}",
        "mx1": f"{long_a} {a.year} to {long_b} {b.year}",
        "mx2": f"{short_a} {a.year} - {short_b} {b.year}",
        "mx3": f"{long_a} {a.year} and {long_b} {b.year}",
        "d1": f"{a} to {b}",
        "d2": f"{a.day} {long_a} {a.year} to {b.day} {long_b} {b.year}",
        "d3": f"{long_a} {a.day} to {long_b} {b.day}, {b.year}",
        "d4": f"{a} and {b}",
        "d5": f"{a.day} {short_a} - {b.day} {short_b} {b.year}",
    }


def _zh_styles(a: date, b: date) -> dict[str, str]:
    quarter, half = (a.month - 1) // 3, (a.month - 1) // 6
    return {
        "y1": f"{a.year}年",
        "y2": f"{a.year}年全年",
        "y3": f"{a.year}年度",
        "yy1": f"{a.year}-{b.year}年",
        "yy2": f"{a.year}年到{b.year}年",
        "h1": f"{a.year}年{'上下'[half]}半年",
        "h2": f"{a.year}{'上下'[half]}半年",
        "q1": f"{a.year}年第{_HANZI[quarter + 1]}季度",
        "q2": f"{a.year}年{_HANZI[quarter + 1]}季度",
        "q3": f"{a.year}年Q{quarter + 1}",
        "q4": f"{a.year}Q{quarter + 1}",
        "mo1": f"{a.year}年{a.month}月",
        "mo2": f"{a.year}年{a.month}月份",
        "mr1": f"{a.year}年{a.month}-{b.month}月",
        "mr2": f"{a.year}年{a.month}月到{b.month}月",
        "mr3": f"{a.year}年{a.month}月至{b.month}月",
        "mr4": f"{a.year}年{_month_hanzi(a.month)}月到{_month_hanzi(b.month)}月",
        "mx1": f"{a.year}年{a.month}月到{b.year}年{b.month}月",
        "mx2": f"{a.year}年{a.month}月至{b.year}年{b.month}月",
        "d1": f"{a.year}年{a.month}月{a.day}日到{b.month}月{b.day}日",
        "d2": f"{a.year}/{a.month}/{a.day}-{b.year}/{b.month}/{b.day}",
        "d3": f"{a}至{b}",
        "d4": f"{a.year}年{a.month}月{a.day}日至{b.year}年{b.month}月{b.day}日",
    }


_STYLES: dict[str, Callable[[date, date], dict[str, str]]] = {"en": _en_styles, "zh": _zh_styles}


def written(slot: str, period: Period, language: str) -> str:
    """Write a period as the slot says, e.g. ("q1", …, "en") → "Q2 2020". Raises KeyError for an unknown style."""
    return _STYLES[language](*period)[slot]
