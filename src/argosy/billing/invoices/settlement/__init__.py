"""What becomes of an invoice: payments, credit notes, and what is left to be paid."""

from argosy.billing.invoices.settlement.notes import CreditedLine, CreditNote, credit
from argosy.billing.invoices.settlement.payments import Payment, pay
from argosy.billing.invoices.settlement.standing import Standing, standing_of

__all__ = ["CreditNote", "CreditedLine", "Payment", "Standing", "credit", "pay", "standing_of"]
