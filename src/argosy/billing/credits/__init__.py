"""Credits: money that was paid ahead (top-ups) or given (grants), what they pay for, and their end."""

from argosy.billing.credits.adding import add_credit
from argosy.billing.credits.credit import Credit, Kind, NewCredit
from argosy.billing.credits.expiry import CreditSweeper
from argosy.billing.credits.spending import Charge, spend_credits
from argosy.billing.credits.store import Balance, list_balances, list_credits

__all__ = [
    "Balance",
    "Charge",
    "Credit",
    "CreditSweeper",
    "Kind",
    "NewCredit",
    "add_credit",
    "list_balances",
    "list_credits",
    "spend_credits",
]
