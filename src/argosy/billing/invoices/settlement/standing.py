"""Where an invoice stands: what was paid, what was taken back, and what of each part is left."""

from dataclasses import dataclass
from typing import Literal

from argosy.billing.invoices.records import Invoice
from argosy.billing.invoices.settlement import store
from argosy.billing.invoices.settlement.records import CreditNote, Payment
from argosy.runtime import Transaction


@dataclass(frozen=True, slots=True)
class Standing:
    """An invoice with all that was settled of it. Amounts are micro-units."""

    invoice: Invoice
    notes: tuple[CreditNote, ...]
    payments: tuple[Payment, ...]

    @property
    def paid(self) -> int:
        """What was paid."""
        return sum(payment.amount for payment in self.payments)

    @property
    def credited(self) -> int:
        """What credit notes took back."""
        return sum(note.amount for note in self.notes)

    @property
    def left(self) -> int:
        """What is still to be paid."""
        return self.invoice.due - self.paid - self.credited

    @property
    def status(self) -> Literal["open", "partly_paid", "paid"]:
        """``paid`` also if nothing was due, or if it was all taken back."""
        if not self.left:
            return "paid"
        return "partly_paid" if self.paid else "open"

    def uncredited_lines(self) -> list[int]:
        """What of each line's amount is owed and was not taken back yet: they sum to the invoice's subtotal, less its
        notes' nets.

        What was covered by credits or ahead is not owed, nor what corrections gave back: both are spread over the other
        lines in proportion, a project's own first, to the micro-unit.
        """
        owed = [0] * len(self.invoice.lines)
        for share in self.invoice.shares:
            mine = [n for n, line in enumerate(self.invoice.lines) if line.project_id == share.project_id]
            amounts = [max(0, self.invoice.lines[n].amount) for n in mine]
            for n, amount in zip(mine, spread(max(0, share.owed), amounts), strict=True):
                owed[n] = amount
        left = spread(self.invoice.subtotal, owed)
        for note in self.notes:
            for line in note.lines:
                left[line.position] -= line.amount
        return left


def standing_of(tx: Transaction, invoice: Invoice) -> Standing:
    """The invoice with its payments and credit notes."""
    named = (tx, invoice.organization_id, invoice.id)
    return Standing(invoice, tuple(store.notes_of(*named)), tuple(store.payments_of(*named)))


def spread(amount: int, over: list[int]) -> list[int]:
    """Integers in proportion to ``over`` that sum to ``amount``; none is above its own in ``over`` if that is not."""
    whole, before, given, parts = sum(over), 0, 0, []
    for one in over:
        before += one
        parts.append(amount * before // whole - given if whole else 0)
        given += parts[-1]
    return parts
