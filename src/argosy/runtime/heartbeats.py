"""Signs of life: a long-running process says every second that it is there; others see how long ago that was."""

from sqlalchemy import BigInteger, Column, Integer, String, Table, insert, select, update

from argosy.core import now_us
from argosy.runtime.database import Transaction, metadata

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("beat_us", BigInteger, nullable=False),
)


def beat(tx: Transaction, name: str, pid: int) -> None:
    """Say that the process ``name`` is alive now."""
    values = {"pid": pid, "beat_us": now_us()}
    if tx.execute(update(heartbeats).where(heartbeats.c.name == name).values(values)).rowcount == 0:
        tx.execute(insert(heartbeats).values(name=name, **values))


def seconds_since_beat(tx: Transaction, name: str) -> float | None:
    """Seconds since the last sign of life, None if there never was one."""
    beat_us = tx.execute(select(heartbeats.c.beat_us).where(heartbeats.c.name == name)).scalar()
    return None if beat_us is None else (now_us() - beat_us) / 1e6
