"""All SQL about rate limits: what administrators set, and the one exchange in which a process takes and gives back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from sqlalchemy import Row, delete, func, insert, select, update

from argosy.core import NotFound, new_id, now, now_us
from argosy.gateway.limits.tables import rate_limits
from argosy.gateway.limits.window import SECOND_US, Window
from argosy.runtime import Transaction, bump_version

Scope = Literal["project", "key", "model"]
Unit = Literal["requests", "tokens"]
UNITS: tuple[Unit, ...] = ("requests", "tokens")
Clock = Callable[[Transaction], int]
"""Gives the time that all processes agree on, in microseconds."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one project, one of its keys, or the project at one model may use in 60 seconds; None is without limit."""

    id: str
    project_id: str
    scope: Scope
    subject: str
    """Empty, the id of the key, or the model's name."""
    requests_per_minute: int | None
    tokens_per_minute: int | None
    created_at: int

    def allowed(self, unit: Unit) -> int | None:
        """Units in 60 seconds."""
        return self.requests_per_minute if unit == "requests" else self.tokens_per_minute


class WindowKey(NamedTuple):
    """One limit's window of one unit."""

    limit_id: str
    unit: Unit


class Want(NamedTuple):
    """What a process asks a window for: the needs of those who wait, and what it would like to have in hand."""

    needs: tuple[int, ...]
    wish: int


class Correction(NamedTuple):
    """Units to count in a window, negative to give them back; ``second`` is when they were given."""

    key: WindowKey
    second: int
    units: int


@dataclass(frozen=True, slots=True)
class Lease:
    """What a window gave, and how it stands after that."""

    units: int
    window: Window
    now_us: int
    """The database's time of the exchange."""


def put_limit(
    tx: Transaction,
    project_id: str,
    scope: Scope,
    subject: str,
    requests_per_minute: int | None,
    tokens_per_minute: int | None,
) -> Limit:
    """Set a limit, or change it; what was used of it in the last minute still counts. Every process applies it within
    half a second.
    """
    allowed = {"requests_per_minute": requests_per_minute, "tokens_per_minute": tokens_per_minute}
    mine = {"project_id": project_id, "scope": scope, "subject": subject}
    bump_version(tx)  # first: its row is the lock that lets only one limit be made at a time
    found = tx.execute(_LIMIT.filter_by(**mine)).one_or_none()
    if found is not None:
        tx.execute(update(rate_limits).where(rate_limits.c.id == found.id).values(allowed))
        return replace(_limit(found), requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute)
    made = Limit(id=new_id("limit_"), **mine, **allowed, created_at=now())  # type: ignore[arg-type]
    values = {column.name: getattr(made, column.name) for column in _COLUMNS}
    tx.execute(insert(rate_limits).values(**values, requests_given=[], tokens_given=[]))
    return made


def list_limits(tx: Transaction, project_id: str) -> list[Limit]:
    """The project's limits: its own first, then those of keys and models."""
    rows = tx.execute(_LIMIT.where(rate_limits.c.project_id == project_id))
    order = ("project", "key", "model")
    return sorted(map(_limit, rows), key=lambda limit: (order.index(limit.scope), limit.subject))


def remove_limit(tx: Transaction, project_id: str, limit_id: str) -> None:
    """Take a limit away. Raises NotFound."""
    mine = (rate_limits.c.project_id == project_id, rate_limits.c.id == limit_id)
    if tx.execute(delete(rate_limits).where(*mine)).rowcount == 0:
        raise NotFound(
            f"There is no limit '{limit_id}' in this project. 'argosy limits list' shows them.", code="limit_not_found"
        )
    bump_version(tx)


def all_limits(tx: Transaction) -> list[Limit]:
    """The limits of every project: what the gateway holds."""
    return list(map(_limit, tx.execute(_LIMIT)))


def database_now_us(tx: Transaction) -> int:
    """The time by the one clock that all processes share: the database's, or for SQLite the machine's."""
    if tx.dialect.name == "sqlite":
        return now_us()
    return int(tx.execute(select(func.extract("epoch", func.clock_timestamp()) * SECOND_US)).scalar_one())


def exchange(
    tx: Transaction,
    wants: Mapping[WindowKey, Want],
    corrections: Sequence[Correction],
    clock: Clock = database_now_us,
) -> dict[WindowKey, Lease]:
    """Count the corrections, then give each window's lease, as one step that no other process can come between.

    The rows are locked, in the order of their ids so that two processes cannot wait for each other, before the clock is
    read: seconds never go back. A window that is not among the leases has no limit any more.
    """
    ids = {key.limit_id for key in wants} | {each.key.limit_id for each in corrections}
    locked = select(rate_limits).where(rate_limits.c.id.in_(ids)).order_by(rate_limits.c.id).with_for_update()
    rows = tx.execute(locked).all()
    now_us = clock(tx)
    leases: dict[WindowKey, Lease] = {}
    for row in rows:
        windows = {unit: _window(row, unit) for unit in UNITS}
        for each in corrections:
            if each.key.limit_id == row.id:
                windows[each.key.unit].add(each.second, each.units)
        for unit, window in windows.items():
            key = WindowKey(row.id, unit)
            if key in wants and getattr(row, f"{unit}_per_minute") is not None:
                leases[key] = Lease(window.lease(*wants[key], now_us), window, now_us)
            window.forget(now_us)
        given = {f"{unit}_given": list(window.given.items()) for unit, window in windows.items()}
        tx.execute(update(rate_limits).where(rate_limits.c.id == row.id).values(given))
    return leases


_COLUMNS = [column for column in rate_limits.c if not column.name.endswith("_given")]
_LIMIT = select(*_COLUMNS)


def _limit(row: Row[Any]) -> Limit:
    return Limit(**row._mapping)


def _window(row: Row[Any], unit: Unit) -> Window:
    given = {int(second): int(units) for second, units in getattr(row, f"{unit}_given")}
    return Window(getattr(row, f"{unit}_per_minute") or 0, given)
