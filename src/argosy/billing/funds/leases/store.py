"""SQL of leases. Every function that changes one locks its fund's row first, in the order of ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import delete, select, update

from argosy.billing.funds.months import month_start
from argosy.billing.funds.store import Fund, begin_month
from argosy.billing.funds.tables import fund_leases, funds
from argosy.core import now
from argosy.runtime import Transaction, insert_once

TTL_S = 60.0
"""A lease whose holder has not been heard of for so long is ended by others."""
BEAT_S = 5.0
"""How often a holder says that it is there."""
_SHARE = 8
"""At most one in so many of what is free is leased beyond what is needed now: near the end, leases are exact."""


JOB_PREFIX = "job "
"""How the names of holders begin that are jobs, see `argosy.billing.funds.jobs`: they have no beat."""


class Want(NamedTuple):
    """What a process asks of one fund, in micro-units."""

    back: int
    """Given back first; negative where requests used more than was held for them, which is then out as well."""
    needs: Sequence[int]
    """Of those who wait, in their order: each all or nothing."""
    wish: int
    """What it would like to have besides, to be quick."""
    held: int = 0
    """What it holds for requests: out again, should others have ended its lease."""
    idle: bool = False
    """Whether it has nothing at hand, holds nothing, and all its charges are posted: then nothing is out."""


@dataclass(frozen=True, slots=True)
class Given:
    """What it got, and how the fund stands after that, in micro-units."""

    amount: int
    free: int
    out: int
    """Of all holders together, this one's too. What of it is not used comes back."""


def exchange(tx: Transaction, holder: str, wants: Mapping[str, Want]) -> dict[str, Given]:
    """Give back and take, for each fund by its id, as one step. A fund that is not in the result is no more."""
    locked = select(funds).where(funds.c.id.in_(wants)).order_by(funds.c.id).with_for_update()
    given: dict[str, Given] = {}
    for row in tx.execute(locked).all():
        fund = rolled(tx, Fund(**row._mapping))
        want = wants[fund.id]
        leases = _leases(tx, fund.id)
        mine = leases.pop(holder, want.back + want.held)
        mine = 0 if want.idle else mine - want.back
        free = fund.allowed - fund.spent - mine - sum(leases.values())
        amount = 0
        for need in want.needs:
            if amount + need <= free:
                amount += need
        amount = max(amount, min(want.wish, free // _SHARE), 0)
        _set(tx, fund.id, holder, mine + amount)
        given[fund.id] = Given(amount, free - amount, mine + sum(leases.values()) + amount)
    return given


def rolled(tx: Transaction, fund: Fund) -> Fund:
    """The fund, in its present month; its row must be locked. A clock that steps back begins no month again."""
    if fund.period != "month" or (month := month_start(now())) <= fund.period_start:
        return fund
    begin_month(tx, fund, month)
    return Fund(**tx.execute(select(funds).where(funds.c.id == fund.id)).one()._mapping)


def take_back(tx: Transaction, holder: str, posted: Mapping[str, int]) -> None:
    """What was posted as spent is not out any more: micro-units by fund. The funds' rows must be locked."""
    for fund_id, amount in sorted(posted.items()):
        mine = (fund_leases.c.fund_id == fund_id) & (fund_leases.c.holder == holder)
        tx.execute(update(fund_leases).where(mine).values(outstanding=fund_leases.c.outstanding - amount))


def beat(tx: Transaction, holder: str) -> None:
    """Say that a holder is there."""
    mine = fund_leases.c.holder == holder
    tx.execute(update(fund_leases).where(mine).values(beat=fund_leases.c.beat + 1))


def standing(tx: Transaction) -> dict[tuple[str, str], int]:
    """The beat of every lease whose holder is a process, by fund and holder."""
    watched = ~fund_leases.c.holder.startswith(JOB_PREFIX)
    rows = tx.execute(select(fund_leases.c.fund_id, fund_leases.c.holder, fund_leases.c.beat).where(watched))
    return {(row.fund_id, row.holder): row.beat for row in rows}


def forget(tx: Transaction, fund_id: str, holder: str, beat: int) -> bool:
    """End a lease, unless its holder was heard of after this beat; says whether it was there to be ended."""
    tx.execute(select(funds.c.id).where(funds.c.id == fund_id).with_for_update())
    same = (fund_leases.c.fund_id == fund_id) & (fund_leases.c.holder == holder) & (fund_leases.c.beat == beat)
    return bool(tx.execute(delete(fund_leases).where(same)).rowcount)


def end_leases(tx: Transaction, holder: str) -> None:
    """All that a holder that is no more had out is free again. Its charges must be posted."""
    mine = fund_leases.c.holder == holder
    held = select(fund_leases.c.fund_id).where(mine)
    tx.execute(select(funds.c.id).where(funds.c.id.in_(held)).order_by(funds.c.id).with_for_update()).all()
    tx.execute(delete(fund_leases).where(mine))


def leased_by(tx: Transaction, holder: str) -> dict[str, str]:
    """The kinds of the funds that a holder has leases of, by id."""
    mine = select(funds.c.id, funds.c.kind).join(fund_leases, fund_leases.c.fund_id == funds.c.id)
    rows = tx.execute(mine.where(fund_leases.c.holder == holder).order_by(funds.c.id))
    return {row.id: row.kind for row in rows}


def _leases(tx: Transaction, fund_id: str) -> dict[str, int]:
    """What is out, by holder."""
    rows = tx.execute(
        select(fund_leases.c.holder, fund_leases.c.outstanding).where(fund_leases.c.fund_id == fund_id)
    ).all()
    return {row.holder: row.outstanding for row in rows}


def _set(tx: Transaction, fund_id: str, holder: str, outstanding: int) -> None:
    mine = {"fund_id": fund_id, "holder": holder}
    if outstanding == 0:
        tx.execute(delete(fund_leases).filter_by(**mine))
        return
    tx.execute(insert_once(tx, fund_leases).values(**mine, outstanding=0, beat=0))
    values = {"outstanding": outstanding, "beat": fund_leases.c.beat + 1}
    tx.execute(update(fund_leases).filter_by(**mine).values(values))
