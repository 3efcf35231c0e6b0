"""A counter that says "configuration changed": who keeps keys, routes or prices in memory compares it and reloads."""

from sqlalchemy import BigInteger, Column, String, Table, insert, select, update

from argosy.runtime.database import Transaction, metadata

versions = Table(
    "versions",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)


def bump_version(tx: Transaction, name: str = "configuration") -> None:
    """Say that what others keep in memory is stale. Call it in the same transaction as the change."""
    if tx.execute(update(versions).where(versions.c.name == name).values(value=versions.c.value + 1)).rowcount == 0:
        tx.execute(insert(versions).values(name=name, value=1))


def read_version(tx: Transaction, name: str = "configuration") -> int:
    """The present count, 0 before the first change."""
    return tx.execute(select(versions.c.value).where(versions.c.name == name)).scalar() or 0
