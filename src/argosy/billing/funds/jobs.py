"""Money held for a job whose cost is known when it begins, such as a training: of every hard budget that applies, and
of the one prepaid fund that pays.

It is a lease as a gateway's is, in the job's name, but nobody watches over it: a job lives through the deaths of its
processes, and whatever ends it ends the lease in the same transaction. So nothing is held for a job that is no more.
"""

from typing import NamedTuple

from argosy.billing.funds.applying import Payer, applying
from argosy.billing.funds.leases.store import JOB_PREFIX, Want, end_leases, exchange, leased_by
from argosy.billing.funds.store import Fund, all_hard_funds
from argosy.core import OverBudget, RateLimited, Unpaid, format_money
from argosy.runtime import Transaction

_CODE = "insufficient_quota"


class JobHold(NamedTuple):
    """What is held for a job, in the words of a usage event."""

    fund: str
    """The prepaid fund that pays; empty if it is owed."""
    held: str
    """All funds, by id with spaces between."""


def hold_for_job(tx: Transaction, job_id: str, payer: Payer, amount: int) -> None:
    """Hold ``amount`` micro-units; once more, it changes nothing. Call `let_go` in the transaction that ends the job.

    Raises OverBudget and Unpaid for too little, RateLimited where what is held for others may yet come back.
    """
    if amount <= 0 or job_hold(tx, job_id).held:
        return
    chosen, prepaid = mine = applying(payer, all_hard_funds(tx))
    for fund in chosen:
        _check(fund, amount)
    if able := [fund for fund in prepaid if fund.remaining >= amount]:
        chosen.append(able[0])
    elif mine.prepaid_only:
        _check(prepaid[-1], amount)
        chosen.append(prepaid[-1])
    given = exchange(tx, holder_of(job_id), {fund.id: Want(0, [amount], 0) for fund in chosen})
    if any(part.amount < amount for part in given.values()):
        let_go(tx, job_id)
        raise RateLimited(
            "What is left of the budget is set aside for requests that are under way.",
            code="budget_busy",
            retry_after_s=1,
        )


def job_hold(tx: Transaction, job_id: str) -> JobHold:
    """What is held for a job now."""
    found = leased_by(tx, holder_of(job_id))
    return JobHold(next((id_ for id_, kind in found.items() if kind == "prepaid"), ""), " ".join(found))


def let_go(tx: Transaction, job_id: str) -> None:
    """All that is held for a job is free again; what it cost must be posted, with `holder_of` as its holder."""
    end_leases(tx, holder_of(job_id))


def holder_of(job_id: str) -> str:
    """Whose lease it is, for `argosy.billing.record`."""
    return JOB_PREFIX + job_id


def _check(fund: Fund, amount: int) -> None:
    """Raise if it would be too little even though all that is held came back."""
    left = fund.allowed - fund.spent
    if left >= amount:
        return
    whose = "API key" if fund.scope == "key" else fund.scope
    costs = f"{format_money(max(0, left), fund.currency)}, and this job costs {format_money(amount, fund.currency)}"
    if fund.kind == "prepaid":
        raise Unpaid(f"The balance of your {whose} is {costs}. Have it topped up.", code=_CODE)
    raise OverBudget(
        f"The budget of your {whose} leaves {costs}. Give it fewer rows or epochs, or ask an administrator to raise "
        f"it ({format_money(fund.allowed, fund.currency)}).",
        code=_CODE,
    )
