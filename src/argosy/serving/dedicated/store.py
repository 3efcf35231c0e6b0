"""SQL of the time that dedicated engines run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, select, update

from argosy.runtime import Transaction, insert_once
from argosy.serving.tables import deployments, engine_windows, replicas

_RUNS = ("ready", "draining")
_at = engine_windows.c


@dataclass(frozen=True)
class Running:
    """An engine that runs for one project."""

    replica_id: str
    deployment_id: str
    project_id: str
    """Who pays for it."""
    model: str
    version: int


def running(tx: Transaction) -> list[Running]:
    """All engines that run for one project now."""
    columns = (replicas.c.id, deployments.c.id, deployments.c.dedicated_to, deployments.c.model, replicas.c.version)
    rows = tx.execute(
        select(*columns)
        .join(deployments, deployments.c.id == replicas.c.deployment_id)
        .where(deployments.c.dedicated_to.is_not(None), replicas.c.state.in_(_RUNS))
        .order_by(replicas.c.id)
    )
    return [Running(*row) for row in rows]


def extend(tx: Transaction, engine: Running, window: int, to_us: int) -> bool:
    """The engine was seen in a window that it had been seen in before: it ran until then. False if there is none."""
    here = (_at.replica_id == engine.replica_id) & (_at.window == window)
    if tx.execute(select(_at.to_us).where(here)).first() is None:
        return False
    tx.execute(update(engine_windows).where(here, _at.to_us < to_us).values(to_us=to_us))  # a clock may be set back
    return True


def seen_until(tx: Transaction, engine: Running, window: int) -> int | None:
    """When the engine was seen last in a window; None if it was not, or that is billed already."""
    here = (_at.replica_id == engine.replica_id) & (_at.window == window)
    found: int | None = tx.execute(select(_at.to_us).where(here)).scalar()
    return found


def begin(tx: Transaction, engine: Running, window: int, from_us: int, to_us: int, price_version: str) -> None:
    """The engine is seen in a window for the first time."""
    values = {**vars(engine), "window": window, "from_us": from_us, "to_us": to_us, "price_version": price_version}
    tx.execute(insert_once(tx, engine_windows).values(values))


def windows_before(tx: Transaction, window: int, limit: int) -> Sequence[Row[Any]]:
    """Windows of all engines that are over, oldest first."""
    return tx.execute(select(engine_windows).where(_at.window < window).order_by(_at.window).limit(limit)).all()


def forget(tx: Transaction, replica_id: str, window: int) -> None:
    """The window is billed."""
    tx.execute(delete(engine_windows).where(_at.replica_id == replica_id, _at.window == window))
