"""Money as integers in micro-units (one millionth of the currency's unit). Never floats."""

import re
from decimal import Decimal

MICRO = 1_000_000


def charge(quantity: int, price_per_million: int) -> int:
    """What ``quantity`` units cost, in micro-units, at ``price_per_million`` micro-units per million units.

    Rounded half up, once per quantity of a usage event, so that anyone can add the same bill up again from the
    usage that each response reported. Raises ValueError for negative input: corrections are entries of their own.
    """
    if quantity < 0 or price_per_million < 0:
        raise ValueError("a quantity and a price are never negative")
    return (quantity * price_per_million + MICRO // 2) // MICRO


def format_money(micro: int, currency: str) -> str:
    """``1234567, "USD"`` -> ``"1.234567 USD"``: all six digits, since a bill must add up to the last one."""
    sign = "-" if micro < 0 else ""
    units, fraction = divmod(abs(micro), MICRO)
    return f"{sign}{units}.{fraction:06d} {currency}"


def parse_money(text: str) -> tuple[int, str]:
    """``"1.25 USD"`` -> ``1250000, "USD"``. Raises ValueError, also for more than six decimals."""
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?) ([A-Z]{3})", text.strip())
    if match is None:
        raise ValueError(f"'{text}' is no amount of money; write it like 1.25 USD")
    return int(Decimal(match[1]) * MICRO), match[2]
