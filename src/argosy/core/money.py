"""Money as integers in micro-units (one millionth of the currency's unit). Never floats."""

import re
from decimal import Decimal

MICRO = 1_000_000
PERCENT = 100


def charge(quantity: int, price_per_million: int, discount: int = 0) -> int:
    """What ``quantity`` units cost, in micro-units, at ``price_per_million`` micro-units per million units, less
    ``discount`` percent.

    Rounded half up, once per quantity of a usage event and after the discount, so that anyone can add the same bill up
    again from the usage that each response reported. Raises ValueError for negative input: corrections are entries of
    their own; and for a discount that is no percentage.
    """
    if quantity < 0 or price_per_million < 0:
        raise ValueError("a quantity and a price are never negative")
    if not 0 <= discount <= PERCENT:
        raise ValueError("a discount is a whole number of percent, from 0 to 100")
    whole = MICRO * PERCENT
    return (quantity * price_per_million * (PERCENT - discount) + whole // 2) // whole


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


def minor_unit(currency: str) -> int:
    """The smallest amount that can be paid in a currency, in micro-units: a cent, a fen, a yen."""
    return int(MICRO // 10 ** _digits(currency))


def round_to_minor(micro: int, currency: str) -> int:
    """The amount rounded half up to what can be paid, in micro-units."""
    unit = minor_unit(currency)
    return (micro + unit // 2) // unit * unit


def format_due(micro: int, currency: str) -> str:
    """``1230000, "USD"`` -> ``"1.23 USD"``: with the currency's own digits, for an amount that can be paid."""
    digits = _digits(currency)
    sign, whole = ("-" if micro < 0 else ""), abs(micro) // minor_unit(currency)
    if not digits:
        return f"{sign}{whole} {currency}"
    units, fraction = divmod(whole, 10**digits)
    return f"{sign}{units}.{fraction:0{digits}d} {currency}"


def _digits(currency: str) -> int:
    return _OTHER_DIGITS.get(currency, 2)


_WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
_OTHER_DIGITS = dict.fromkeys(_WHOLE.split(), 0) | dict.fromkeys(_THOUSANDTHS.split(), 3)
"""ISO 4217: digits of the currencies that do not have two."""
