"""What is to be paid for a sum: its tax, and its rounding to what can be paid. Pure.

Invariants: tax is computed once, on the sum, and rounded half up to a millionth; the amount due is rounded half up to
the currency's smallest unit, once; the difference is kept, so everything adds up to the last millionth.
"""

from argosy.billing.invoices.records import Due
from argosy.core import round_to_minor

RATE_WHOLE = 10_000
"""A tax rate of 100 percent, in hundredths of a percent."""


def due_of(subtotal: int, tax_rate: int, currency: str) -> Due:
    """What is due for ``subtotal`` micro-units. Raises ValueError for a negative sum."""
    if subtotal < 0:
        raise ValueError("an invoice's sum is never negative")
    tax = (subtotal * tax_rate + RATE_WHOLE // 2) // RATE_WHOLE
    due = round_to_minor(subtotal + tax, currency)
    return Due(subtotal, tax, due - subtotal - tax, due)
