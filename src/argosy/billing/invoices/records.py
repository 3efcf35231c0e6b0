"""What an invoice says, as records that never change."""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

CORRECTED = "correction"
"""The quantity of a line of what was given back: its units are corrections, its amount is below zero."""


class Party(msgspec.Struct, frozen=True):
    """Who issues an invoice, or who is to pay it."""

    name: str = ""
    address: str = ""
    """With line breaks."""
    tax_id: str = ""


class Span(NamedTuple):
    """What a closing covers: what finished from ``start`` (unix seconds) to before ``end``, and what finished earlier
    but was brought by a posting after number ``after``; of both, what postings up to number ``upto`` brought.
    Corrections that were posted between the two are in it.

    The spans of an organization follow one another in both measures, so no event is in two, and none between them.
    """

    start: int
    end: int
    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """What a project used of one model in one quantity at one price, in one of its tiers, with one discount; or what of
    one model's use was given back.
    """

    project_id: str
    project_name: str
    model: str
    quantity: str
    """One of `argosy.billing.QUANTITIES`, the name of what was measured, or `CORRECTED`."""
    price_version: str
    units: int
    unit_price: int
    """Micro-units per million units, before the discount."""
    amount: int
    """Micro-units: the sum of the events' amounts, each rounded on its own, so not always units times price."""
    discount: int = 0
    """Percent off the price."""
    tier: int = 0
    """The tier whose rate the unit price is, by the tokens of prompt above which it holds; 0 for none."""


@dataclass(frozen=True, slots=True)
class ProjectShare:
    """What of an invoice is one project's. Amounts are micro-units."""

    project_id: str
    project_name: str
    event_count: int
    total: int
    """The sum of its lines."""
    covered_credits: int
    covered_prepaid: int

    @property
    def owed(self) -> int:
        """What of the total neither credits nor money paid ahead covered. Below zero if more was given back."""
        return self.total - self.covered_credits - self.covered_prepaid


@dataclass(frozen=True, slots=True)
class Due:
    """How what is to be paid comes about, in micro-units: ``subtotal + tax + rounding == due``."""

    subtotal: int
    tax: int
    rounding: int
    due: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """A closed period of an organization. Times are unix seconds: ``period_start`` is in it, ``period_end`` is not.

    Amounts are micro-units: ``total - covered_credits - covered_prepaid == subtotal`` and
    ``subtotal + tax + rounding == due``.
    """

    id: str
    organization_id: str
    project_id: str
    """Empty, save on one of the time when each project had invoices of its own."""
    number: int
    period_start: int
    period_end: int
    posted_after: int
    posted_upto: int
    currency: str
    total: int
    """The sum of the lines: all that was charged."""
    covered_credits: int
    covered_prepaid: int
    subtotal: int
    tax_name: str
    tax_rate: int
    """Hundredths of a percent."""
    tax: int
    rounding: int
    due: int
    """What is to be paid: a multiple of the currency's smallest unit."""
    event_count: int
    issuer: Party
    customer: Party
    language: str
    anchor_block: int
    anchor: str
    """The hash of the ledger's last block before it: who keeps the invoice can prove that nothing before changed."""
    created_at: int
    lines: tuple[InvoiceLine, ...]
    shares: tuple[ProjectShare, ...]
    part_of: str = ""
    """The project whose part of it this is; empty if it is whole. Tax, rounding and what is due are of the whole: of a
    part they are 0."""

    @property
    def covered(self) -> int:
        """What of the total was paid by credits and ahead, in micro-units."""
        return self.covered_credits + self.covered_prepaid
