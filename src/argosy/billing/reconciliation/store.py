"""SQL of reconciliation. It reads the books; what it writes is beside them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Row, delete, func, insert, select, tuple_

from argosy.billing.ledger import PROVIDER_COST, REVENUE
from argosy.billing.reconciliation.tables import (
    engine_counts,
    provider_invoice_lines,
    provider_invoices,
    reconciliations,
)
from argosy.billing.tables import ledger_entries, usage_events
from argosy.runtime import Transaction, insert_once

_used = usage_events.c
_PAGE = 500
UsageRow: TypeAlias = Row[Any]
"""A row of `usage_events`."""


def projects_with_usage(tx: Transaction) -> Iterator[str]:
    """Their ids, each found by one step in the index."""
    last = ""
    while (found := tx.execute(select(func.min(_used.project_id)).where(_used.project_id > last)).scalar()) is not None:
        yield found
        last = found


def usage_pages(tx: Transaction, project_id: str, start_us: int, end_us: int) -> Iterator[Sequence[UsageRow]]:
    """The project's rows that finished in this time, page by page, in bounded memory."""
    place = tuple_(_used.finished_us, _used.id)
    after: tuple[int, str] = (start_us - 1, "")
    owned = select(usage_events).where(_used.project_id == project_id, _used.finished_us < end_us)
    owned = owned.where(_used.finished_us >= start_us).order_by(_used.finished_us, _used.id).limit(_PAGE)
    while page := tx.execute(owned.where(place > tuple_(*after))).all():
        yield page
        after = (page[-1].finished_us, page[-1].id)


def ledger_sums(tx: Transaction, project_id: str, usage_ids: Sequence[str]) -> dict[str, int]:
    """What the ledger earned by each of the project's usage rows, those that have entries."""
    entries = ledger_entries.c
    # A usage row's transaction has its id, which an index finds.
    wanted = (entries.transaction_id.in_(usage_ids)) & (entries.account == REVENUE) & (entries.project_id == project_id)
    sums = select(entries.transaction_id, func.sum(-entries.amount)).where(wanted).group_by(entries.transaction_id)
    return {id_: int(amount) for id_, amount in tx.execute(sums)}


def replace_reconciliations(tx: Transaction, start: int, end: int, rows: Sequence[Mapping[str, Any]]) -> None:
    """Have these stand for the hours from ``start`` to ``end``."""
    tx.execute(delete(reconciliations).where(reconciliations.c.hour >= start, reconciliations.c.hour < end))
    if rows:
        tx.execute(insert(reconciliations), list(rows))


def select_reconciliations(tx: Transaction, since: int) -> Sequence[Row[Any]]:
    """Those of hours that began at ``since`` or later, in order."""
    wanted = select(reconciliations).where(reconciliations.c.hour >= since)
    return tx.execute(wanted.order_by(reconciliations.c.hour, reconciliations.c.model)).all()


def sum_of_differences(tx: Transaction, since: int) -> int | None:
    """Over the hours that began at ``since`` or later; None if none of them was looked at."""
    found = tx.execute(select(func.sum(reconciliations.c.difference)).where(reconciliations.c.hour >= since)).scalar()
    return None if found is None else int(found)


def put_engine_count(tx: Transaction, replica_id: str, hour: int, model: str, prompt: int, completion: int) -> None:
    """What an engine has counted so far, as last seen in this hour."""
    key = {"replica_id": replica_id, "hour": hour}
    tx.execute(delete(engine_counts).filter_by(**key))
    counts = {"model": model, "prompt_tokens": prompt, "completion_tokens": completion}
    tx.execute(insert_once(tx, engine_counts).values(**key, **counts))


def select_engine_counts(tx: Transaction) -> Sequence[Row[Any]]:
    """All, by engine and hour."""
    return tx.execute(select(engine_counts).order_by(engine_counts.c.replica_id, engine_counts.c.hour)).all()


def insert_provider_invoice(tx: Transaction, invoice: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> bool:
    """Whether it was new: the same file of the same provider is there once."""
    made = insert_once(tx, provider_invoices).values(invoice).returning(provider_invoices.c.id)
    if tx.execute(made).first() is None:
        return False
    tx.execute(insert(provider_invoice_lines), [{"invoice_id": invoice["id"], **line} for line in lines])
    return True


def find_provider_invoice(tx: Transaction, provider: str, digest: str) -> Row[Any]:
    """The one of this file, which must be there."""
    return tx.execute(select(provider_invoices).filter_by(provider=provider, digest=digest)).one()


def provider_invoice_days(tx: Transaction, since: int) -> Sequence[Row[Any]]:
    """What providers' invoices say, by provider and day."""
    lines, sums = provider_invoice_lines.c, []
    for name in ("prompt_tokens", "completion_tokens", "amount"):
        sums.append(func.sum(lines[name]).label(name))
    found = select(provider_invoices.c.provider, lines.day, *sums).join(provider_invoice_lines)
    keys = (provider_invoices.c.provider, lines.day)
    return tx.execute(found.where(lines.day >= since).group_by(*keys).order_by(*keys)).all()


def provider_usage(tx: Transaction, project_id: str, provider: str, start_us: int, end_us: int) -> tuple[int, int, int]:
    """Prompt and completion tokens of the project's rows that this provider answered, and what the ledger says that
    they cost us.
    """
    wanted = (_used.project_id == project_id) & (_used.target == provider)
    wanted &= (_used.finished_us >= start_us) & (_used.finished_us < end_us)
    counts = [func.coalesce(func.sum(column), 0) for column in (_used.prompt_tokens, _used.completion_tokens)]
    prompt, completion = tx.execute(select(*counts).where(wanted)).one()
    entries = ledger_entries.c
    ours = (entries.project_id == project_id) & (entries.account == PROVIDER_COST)
    cost = select(func.coalesce(func.sum(entries.amount), 0)).join(usage_events, _used.id == entries.usage_id)
    return int(prompt), int(completion), int(tx.execute(cost.where(ours, wanted)).scalar_one())
