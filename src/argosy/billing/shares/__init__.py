"""What owners of models get of what was charged: rules, shares fixed when usage is posted, statements, payouts."""

from argosy.billing.shares.agreeing import Terms, agree
from argosy.billing.shares.page import render_page
from argosy.billing.shares.payouts import Payout, list_payouts, pay_out
from argosy.billing.shares.rule import Rule, Tier, rule_for, share_of
from argosy.billing.shares.settling import month_number, settle
from argosy.billing.shares.sheet import to_csv
from argosy.billing.shares.statement import Statement, month_period, state
from argosy.billing.shares.store import months_of, owner_names, payables, rules_of

__all__ = [
    "Payout",
    "Rule",
    "Statement",
    "Terms",
    "Tier",
    "agree",
    "list_payouts",
    "month_number",
    "month_period",
    "months_of",
    "owner_names",
    "pay_out",
    "payables",
    "render_page",
    "rule_for",
    "rules_of",
    "settle",
    "share_of",
    "state",
    "to_csv",
]
