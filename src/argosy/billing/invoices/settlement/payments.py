"""Payments of invoices.

Invariants: a reference is one payment however often it is told; no more is taken than is left.
"""

from argosy.billing import ledger
from argosy.billing.invoices.reading import get_invoice
from argosy.billing.invoices.settlement import store
from argosy.billing.invoices.settlement.records import Payment
from argosy.billing.invoices.settlement.standing import standing_of
from argosy.billing.ledger import CASH, INVOICED, Entry
from argosy.core import Conflict, Invalid, format_money, new_id, now
from argosy.runtime import Transaction


def pay(tx: Transaction, project_id: str, invoice_id: str, amount: int, reference: str) -> Payment:
    """Note that ``amount`` micro-units were paid for an invoice of the project's organization.

    The same again is the same payment. Raises NotFound, Invalid for no positive amount, Conflict for more than is left
    or for a reference that another payment has.
    """
    if amount <= 0:
        raise Invalid("A payment is more than nothing.", code="invalid_amount", param="amount")
    ledger.lock(tx)
    invoice = get_invoice(tx, project_id, invoice_id)
    if known := store.payment_with(tx, invoice.organization_id, reference):
        if (known.invoice_id, known.amount) == (invoice.id, amount):
            return known
        raise Conflict(
            f"The reference '{reference}' is that of payment {known.id}: {format_money(known.amount, known.currency)} "
            f"for invoice {known.invoice_id}. Give this payment a reference of its own.",
            code="reference_taken",
            param="reference",
        )
    left = standing_of(tx, invoice).left
    if amount > left:
        raise Conflict(
            f"Of this invoice {format_money(left, invoice.currency)} is left to be paid, which is less. Note at most "
            "that, and what is over as a top-up.",
            code="above_what_is_left",
            param="amount",
        )
    payment = Payment(new_id("pay_"), invoice.organization_id, invoice.id, invoice.currency, amount, reference, now())
    store.insert_payment(tx, payment)
    ledger.post(
        tx,
        [
            Entry(payment.id, account, "", signed, payment.currency, party=payment.organization_id)
            for account, signed in ((CASH, amount), (INVOICED, -amount))
        ],
    )
    return payment
