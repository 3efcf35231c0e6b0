"""SQL of the ledger. Entries are added and never changed: a correction is a new transaction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Row, case, func, insert, select, update

from argosy.billing.bulk import insert_rows
from argosy.billing.ledger.accounts import ACCOUNTS, Entry
from argosy.billing.ledger.chain import FIRST_HASH, SEALED, Head, block_hash
from argosy.billing.tables import ledger_blocks, ledger_entries, ledger_head
from argosy.core import now
from argosy.runtime import Transaction, insert_once

Block: TypeAlias = Row[Any]
"""A row of `ledger_blocks`."""


class AccountSum(NamedTuple):
    """What was posted to one account in one currency, in micro-units; neither is below zero."""

    account: str
    currency: str
    debit: int
    credit: int
    entries: int

    @property
    def balance(self) -> int:
        """Debts are positive, earnings negative."""
        return self.debit - self.credit


@dataclass(frozen=True)
class EntryFilter:
    """Which entries are wanted; None means all."""

    account: str | None = None
    project_id: str | None = None
    party: str | None = None
    model: str | None = None
    transaction_id: str | None = None
    since: int | None = None
    """Unix seconds."""


_HEAD = [ledger_head.c[name] for name in Head._fields]
_PAGE = 10_000


def lock(tx: Transaction) -> Head:
    """The chain's end. Everybody else who posts waits until this transaction is over; what is read after this is all
    that was posted before, and nothing is posted in between.
    """
    locked = update(ledger_head).where(ledger_head.c.id == 1).values(number=ledger_head.c.number).returning(*_HEAD)
    row = tx.execute(locked).one_or_none()
    if row is None:  # a new platform, or one whose entries are older than the chain
        last = int(tx.execute(select(func.coalesce(func.max(ledger_entries.c.id), 0))).scalar_one())
        begin = {"id": 1, "number": 0, "last_entry": last, "hash": FIRST_HASH, "first_entry": last + 1}
        tx.execute(insert_once(tx, ledger_head).values(begin))
        row = tx.execute(locked).one()
    return Head(*row)


def post(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Append ledger transactions, as one block of the chain. Raises ValueError, before anything is written, unless each
    one sums to zero in one currency.
    """
    for transaction_id, group in groupby(entries, key=lambda entry: entry.transaction_id):
        lines = list(group)
        if sum(line.amount for line in lines) or len({line.currency for line in lines}) != 1:
            raise ValueError(f"the ledger transaction {transaction_id} does not balance")
    if not entries:
        return
    head, at = lock(tx), now()
    rows = [(head.last_entry + n, *entry, at) for n, entry in enumerate(entries, 1)]
    insert_rows(tx, ledger_entries.name, SEALED, rows)
    block = {"number": head.number + 1, "last_entry": rows[-1][0], "hash": block_hash(head.hash, rows)}
    tx.execute(insert(ledger_blocks).values(**block, first_entry=rows[0][0], created_at=at))
    tx.execute(update(ledger_head).where(ledger_head.c.id == 1).values(block))


def balance(tx: Transaction, project_id: str, account: str) -> int:
    """Sum of the account's entries for the project in micro-units: debts are positive, earnings negative."""
    owned = (ledger_entries.c.project_id == project_id) & (ledger_entries.c.account == account)
    return int(tx.execute(select(func.coalesce(func.sum(ledger_entries.c.amount), 0)).where(owned)).scalar_one())


def balances(tx: Transaction, project_id: str) -> dict[str, int]:
    """The balance of each account of the project that has entries, in micro-units."""
    sums = select(ledger_entries.c.account, func.sum(ledger_entries.c.amount))
    rows = tx.execute(sums.where(ledger_entries.c.project_id == project_id).group_by(ledger_entries.c.account))
    return {account: int(amount) for account, amount in rows}


def list_entries(tx: Transaction, project_id: str, after: int, limit: int) -> Sequence[Row[Any]]:
    """Ledger entries of the project in the order they were posted, from beyond entry ``after`` on."""
    owned = (ledger_entries.c.project_id == project_id) & (ledger_entries.c.id > after)
    return tx.execute(select(ledger_entries).where(owned).order_by(ledger_entries.c.id).limit(limit)).all()


def trial_balance(tx: Transaction) -> list[AccountSum]:
    """Every account that has entries, of all projects, by currency: in the order of `ACCOUNTS`."""
    amount = ledger_entries.c.amount
    sums: list[Any] = [
        ledger_entries.c.account,
        ledger_entries.c.currency,
        func.sum(case((amount > 0, amount), else_=0)),
        func.sum(case((amount < 0, -amount), else_=0)),
        func.count(),
    ]
    rows = tx.execute(select(*sums).group_by(ledger_entries.c.account, ledger_entries.c.currency))
    found = [
        AccountSum(account, currency, int(debit), int(credit), count)
        for account, currency, debit, credit, count in rows
    ]
    place = {account: number for number, account in enumerate(ACCOUNTS)}
    return sorted(found, key=lambda one: (one.currency, place.get(one.account, len(place)), one.account))


def find_entries(tx: Transaction, wanted: EntryFilter, after: int, limit: int) -> Sequence[Row[Any]]:
    """Entries of all projects in the order they were posted, from beyond entry ``after`` on."""
    query = select(ledger_entries).where(ledger_entries.c.id > after)
    for name in ("account", "project_id", "party", "model", "transaction_id"):
        if (value := getattr(wanted, name)) is not None:
            query = query.where(ledger_entries.c[name] == value)
    if wanted.since is not None:
        query = query.where(ledger_entries.c.created_at >= wanted.since)
    return tx.execute(query.order_by(ledger_entries.c.id).limit(limit)).all()


def lines_of(tx: Transaction, transaction_id: str) -> list[Entry]:
    """A transaction's lines, in the order they were posted; none if there is no such transaction."""
    columns = [ledger_entries.c[name] for name in Entry._fields]
    rows = tx.execute(
        select(*columns).where(ledger_entries.c.transaction_id == transaction_id).order_by(ledger_entries.c.id)
    )
    return [Entry(*row) for row in rows]


def unbalanced_transactions(tx: Transaction) -> list[str]:
    """Ids of ledger transactions, of all projects, that do not sum to zero: always empty, and checked by tests."""
    grouped = select(ledger_entries.c.transaction_id).group_by(ledger_entries.c.transaction_id)
    return list(tx.execute(grouped.having(func.sum(ledger_entries.c.amount) != 0)).scalars())


def read_head(tx: Transaction) -> Head | None:
    """Where the chain ends; None before the first posting."""
    row = tx.execute(select(*_HEAD)).one_or_none()
    return None if row is None else Head(*row)


def all_blocks(tx: Transaction) -> Iterator[Block]:
    """All blocks in order, in bounded memory."""
    last = 0
    while page := tx.execute(
        select(ledger_blocks).where(ledger_blocks.c.number > last).order_by(ledger_blocks.c.number).limit(_PAGE)
    ).all():
        yield from page
        last = page[-1].number


def all_entries(tx: Transaction, first: int) -> Iterator[tuple[Any, ...]]:
    """The entries of all projects from number ``first`` on, in order, in bounded memory; values as `chain.SEALED`.

    Rows come as the driver gives them: what is made of them elsewhere costs as much as reading them.
    """
    mark = "%s" if tx.dialect.name == "postgresql" else "?"
    columns = ", ".join(SEALED)
    page = f"SELECT {columns} FROM {ledger_entries.name} WHERE id >= {mark} ORDER BY id LIMIT {_PAGE}"  # noqa: S608
    cursor = tx.connection.cursor()
    try:
        while True:
            cursor.execute(page, (first,))
            rows = cursor.fetchall()
            yield from rows
            if len(rows) < _PAGE:
                return
            first = rows[-1][0] + 1
    finally:
        cursor.close()
