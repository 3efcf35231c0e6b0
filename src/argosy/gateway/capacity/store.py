"""All SQL about capacity that is not enough: the switches, and the limits that wait."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Row, delete, func, insert, select, update

from argosy.core import NotFound, new_id, now
from argosy.gateway.capacity.tables import capacity_switches, limit_waitlist
from argosy.gateway.limits import Scope
from argosy.runtime import Transaction

State = Literal["waiting", "granted", "withdrawn"]
_WAIT = limit_waitlist.c


@dataclass(frozen=True)
class Switch:
    """What an administrator said of one deployment."""

    waitlist: bool = False
    """Whether no more is to be promised than there is."""
    tokens_per_minute: int | None = None
    """What it can do; None is as measured."""


@dataclass(frozen=True)
class Waiting:
    """A limit that was asked for, and what became of that. Fields as of `Limit`."""

    id: str
    number: int
    """The order of asking."""
    project_id: str
    scope: Scope
    subject: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    state: State
    asked_by: str
    """Id of a key."""
    asked_at: int
    decided_by: str | None = None
    """Id of a key; None is the platform's own doing."""
    decided_at: int | None = None


def put_switch(tx: Transaction, deployment_id: str, switch: Switch) -> None:
    """Say what holds for a deployment."""
    tx.execute(delete(capacity_switches).where(capacity_switches.c.deployment_id == deployment_id))
    tx.execute(insert(capacity_switches).values(deployment_id=deployment_id, changed_at=now(), **vars(switch)))


def all_switches(tx: Transaction) -> dict[str, Switch]:
    """What was said of deployments, by id."""
    return {
        row.deployment_id: Switch(row.waitlist, row.tokens_per_minute) for row in tx.execute(select(capacity_switches))
    }


def all_waiting(tx: Transaction) -> list[Waiting]:
    """Who waits, in the order of asking, whosever project it is: they stand in one line."""
    rows = tx.execute(select(limit_waitlist).where(_WAIT.state == "waiting").order_by(_WAIT.number))
    return list(map(_waiting, rows))


def add_waiting(tx: Transaction, made: Waiting) -> Waiting:
    """Put one at the end of the line, with an id and a number. Only under the lock of the limits."""
    last = tx.execute(select(func.max(_WAIT.number))).scalar() or 0
    made = replace(made, id=new_id("wait_"), number=last + 1)
    tx.execute(insert(limit_waitlist).values(**vars(made)))
    return made


def decide(tx: Transaction, waiting: Waiting, state: State, key_id: str | None) -> Waiting:
    """Say what became of one. Only under the lock of the limits."""
    decided = replace(waiting, state=state, decided_by=key_id, decided_at=now())
    tx.execute(update(limit_waitlist).where(_WAIT.id == waiting.id).values(**vars(decided)))
    return decided


def find_waiting(tx: Transaction, project_ids: Collection[str], waiting_id: str) -> Waiting:
    """One of these projects. Raises NotFound."""
    mine = _WAIT.project_id.in_(project_ids) & (_WAIT.id == waiting_id)
    row = tx.execute(select(limit_waitlist).where(mine)).one_or_none()
    if row is None:
        raise NotFound(
            f"Nothing waits by the id '{waiting_id}'. 'argosy waitlist' shows what does.", code="waiting_not_found"
        )
    return _waiting(row)


def list_waiting(
    tx: Transaction, project_ids: Collection[str], state: State | None, after: str | None, limit: int
) -> Sequence[Waiting]:
    """What these projects asked for and did not get at once, in the order of asking, from beyond the id ``after``."""
    query = select(limit_waitlist).where(_WAIT.project_id.in_(project_ids))
    if state:
        query = query.where(_WAIT.state == state)
    if after:
        query = query.where(_WAIT.number > find_waiting(tx, project_ids, after).number)
    return list(map(_waiting, tx.execute(query.order_by(_WAIT.number).limit(limit))))


def _waiting(row: Row[Any]) -> Waiting:
    return Waiting(**row._mapping)
