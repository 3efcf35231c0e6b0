"""Funds: what an organization, a project or a key may spend; and the holds of requests that are under way.

A *budget* is a bound: all that apply to a request must have room for it, or it is refused (hard), or only told of
(soft). A *prepaid* fund is money: one pays for a request, the narrowest that can.
"""

from argosy.billing.funds.applying import Payer, applying
from argosy.billing.funds.jobs import hold_for_job, holder_of, job_hold, let_go
from argosy.billing.funds.months import month_start, next_month
from argosy.billing.funds.spending import spend
from argosy.billing.funds.store import (
    THRESHOLDS,
    Fund,
    Kind,
    Period,
    Scope,
    add_spent,
    all_hard_funds,
    change_allowed,
    ensure_prepaid,
    get_fund,
    give_back,
    list_funds,
    put_budget,
    remove_budget,
)

__all__ = [
    "THRESHOLDS",
    "Fund",
    "Kind",
    "Payer",
    "Period",
    "Scope",
    "add_spent",
    "all_hard_funds",
    "applying",
    "change_allowed",
    "ensure_prepaid",
    "get_fund",
    "give_back",
    "hold_for_job",
    "holder_of",
    "job_hold",
    "let_go",
    "list_funds",
    "month_start",
    "next_month",
    "put_budget",
    "remove_budget",
    "spend",
]
