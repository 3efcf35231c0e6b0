"""Payments and credit notes as records that never change. Amounts are micro-units."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CreditedLine:
    """What of an invoice's line is taken back."""

    position: int
    """Of the line on its invoice, from 0 on."""
    amount: int


@dataclass(frozen=True, slots=True)
class CreditNote:
    """Takes some of an invoice back: ``net + tax + rounding == amount``, and the lines sum to ``net``."""

    id: str
    organization_id: str
    number: int
    invoice_id: str
    currency: str
    net: int
    tax: int
    rounding: int
    amount: int
    reason: str
    idempotency_key: str | None
    """Given by who asks, so that asking twice makes one."""
    created_at: int
    lines: tuple[CreditedLine, ...]


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that came in for an invoice."""

    id: str
    organization_id: str
    invoice_id: str
    currency: str
    amount: int
    reference: str
    """The bank's or the sender's own: told twice, it is one payment."""
    created_at: int
