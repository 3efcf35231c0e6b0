"""Posting moves what requests cost from their holder's lease to what is spent.

Invariant: both happen in the transaction that posts the usage, so that what is free of a fund is the same before and
after: the hold of a request becomes its charge without a moment in between.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from argosy.billing.funds.leases.store import rolled, take_back
from argosy.billing.funds.store import Fund, add_spent, lock_all
from argosy.billing.usage import UsageEvent
from argosy.identity import organizations_of
from argosy.runtime import Transaction

_MICRO = 1_000_000


def spend(tx: Transaction, charged: Sequence[tuple[UsageEvent, int]], holder: str) -> set[str]:
    """Count events that are new, each with its charge in micro-units, against all budgets that they are of, and give
    back what was held for them. What prepaid funds pay is counted by `argosy.billing.credits`. Returns the ids of all
    funds that are concerned; they are locked.

    ``holder`` is whose lease they were held from; empty for work that nothing was held for, such as training.
    """
    funds = [rolled(tx, fund) for fund in lock_all(tx)]
    if not funds:
        return set()
    organizations = organizations_of(tx, {event.project_id for event, _ in charged})
    spent: Counter[str] = Counter()
    back: Counter[str] = Counter()
    for event, amount in charged:
        for fund in _funds_of(event, organizations.get(event.project_id, ""), funds):
            if event.finished_us >= fund.period_start * _MICRO:  # what was used before this month was of that one
                spent[fund.id] += amount
        for fund_id in event.held.split():
            back[fund_id] += amount
    add_spent(tx, spent)
    if holder:
        take_back(tx, holder, back)
    return {*spent, *(event.fund for event, _ in charged if event.fund)}


def _funds_of(event: UsageEvent, organization_id: str, funds: Sequence[Fund]) -> Iterable[Fund]:
    """The budgets that it counts against, whether or not they were there when it began."""
    subjects = {"organization": organization_id, "project": event.project_id, "key": event.key_id}
    for fund in funds:
        if fund.kind == "budget" and (fund.organization_id, fund.subject) == (organization_id, subjects[fund.scope]):
            yield fund
