"""What becomes of an invoice: payments, credit notes, and what is left to be paid."""

from argosy.billing.invoices.settlement.notes import credit
from argosy.billing.invoices.settlement.payments import pay
from argosy.billing.invoices.settlement.records import CreditedLine, CreditNote, Payment
from argosy.billing.invoices.settlement.standing import Standing, standing_of

__all__ = ["CreditNote", "CreditedLine", "Payment", "Standing", "credit", "pay", "standing_of"]
