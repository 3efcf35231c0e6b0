"""What a caller is told whose money is at its end: what remains, what this would need, and what to do."""

from argosy.core import OverBudget, Unpaid, format_money
from argosy.gateway.funds.purse import Purse

CODE = "insufficient_quota"
_WHOSE = {"organization": "organization", "project": "project", "key": "API key", "model": "model"}


def over_budget(purse: Purse, amount: int) -> OverBudget:
    """A budget has too little left, even if everything that is held came back."""
    fund, said = purse.fund, _said(purse, amount)
    month = " this month" if fund.period == "month" else ""
    return OverBudget(
        f"The budget of your {_WHOSE[fund.scope]} leaves {said}. Ask for fewer tokens with 'max_tokens', or ask an "
        f"administrator to raise it ({format_money(fund.allowed, fund.currency)}{month}).",
        code=CODE,
    )


def unpaid(purse: Purse, amount: int) -> Unpaid:
    """What was paid ahead has too little left."""
    return Unpaid(
        f"The balance of your {_WHOSE[purse.fund.scope]} is {_said(purse, amount)}. Ask for fewer tokens with "
        "'max_tokens', or have it topped up.",
        code=CODE,
    )


def _said(purse: Purse, amount: int) -> str:
    currency = purse.fund.currency
    return f"{format_money(max(0, purse.free), currency)}, and this request may cost {format_money(amount, currency)}"
