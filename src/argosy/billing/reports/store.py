"""SQL that reads usage: sums per bucket of time, and single events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, cast, func, literal, or_, select, text, tuple_
from sqlalchemy.dialects import postgresql

from argosy.billing.rating import QUANTITIES
from argosy.billing.store import unit_columns
from argosy.billing.tables import (
    cost_versions,
    invoice_items,
    invoice_projects,
    invoices,
    price_versions,
    usage_events,
)
from argosy.billing.usage import NOT_REQUESTS
from argosy.runtime import Transaction

if TYPE_CHECKING:
    from argosy.billing.reports.buckets import Question
    from argosy.billing.reports.events import EventFilter

SAVED = ("prompt_tokens", "completion_tokens", "amount")
"""What is counted of a kept answer's savings."""
TAG = "metadata."
"""What the names of groups begin with that are the caller's tags."""
ANSWERED = ("complete", "cached")
"""Outcomes of requests that got their whole answer."""
_MICRO = 1_000_000
_used = usage_events.c


def sums(
    tx: Transaction,
    project_ids: Sequence[str],
    question: Question,
    group_by: Sequence[str],
    *,
    end: int,
    training: bool,
) -> Sequence[Row[Any]]:
    """Counts and amounts up to before ``end`` (unix seconds), by number of bucket and by ``group_by``, whose labels are
    ``group_0`` and so on.
    """
    bucket = (_used.finished_us // (question.width_s * _MICRO)).label("bucket")
    named = [_grouping(tx, name).label(f"group_{number}") for number, name in enumerate(group_by)]
    groups = [bucket, price_versions.c.currency, *named]
    columns = [func.count().label("events")]
    columns += [func.sum(expression).label(name) for name, expression in unit_columns().items()]
    columns += [func.sum(_used[f"{name}_amount"]).label(f"{name}_amount") for name in QUANTITIES]
    columns += [func.sum(_used[f"saved_{name}"]).label(f"saved_{name}") for name in SAVED]
    columns += [func.sum(expression).label(name) for name, expression in _told().items()]
    statement = (
        select(*groups, *columns)
        .join(price_versions, price_versions.c.id == _used.price_version)
        .where(_used.project_id.in_(project_ids))
        .where(_used.finished_us >= question.start_time * _MICRO, _used.finished_us < end * _MICRO)
    )
    if not training:
        statement = statement.where(_used.kind.not_in(NOT_REQUESTS))
    if question.without:
        statement = statement.where(_used.kind.not_in(question.without))
    for name, values in question.only.items():
        statement = statement.where(_grouping(tx, name).in_(values))
    # By place, since PostgreSQL does not see that an expression with a parameter is the same a second time.
    places = [text(str(number)) for number in range(1, len(groups) + 1)]
    return tx.execute(statement.group_by(*places).order_by(*places)).all()


def revenue_and_cost(tx: Transaction, project_ids: Sequence[str], start: int, end: int) -> Sequence[Row[Any]]:
    """What was charged and what providers are owed for it, by model and provider. Times are unix seconds."""
    charged = sum((_used[f"{name}_amount"] for name in QUANTITIES), start=literal(0))
    keys = (_used.model, cost_versions.c.provider, price_versions.c.currency)
    sums = (func.count().label("events"), func.sum(charged).label("revenue"), func.sum(_used.cost_amount).label("cost"))
    return tx.execute(
        select(*keys, *sums)
        .join(price_versions, price_versions.c.id == _used.price_version)
        .outerjoin(cost_versions, cost_versions.c.id == _used.cost_version)
        .where(_used.project_id.in_(project_ids))
        .where(_used.finished_us >= start * _MICRO, _used.finished_us < end * _MICRO)
        .group_by(*keys)
        .order_by(*keys)
    ).all()


def _grouping(tx: Transaction, name: str) -> ColumnElement[Any]:
    """A column, whether the usage is a line's of a batch, or what the caller said under a name in ``metadata``."""
    if name.startswith(TAG):
        return _tag(tx, name.removeprefix(TAG))
    return _used.batch_id.is_not(None) if name == "batch" else _used[name]


def _tag(tx: Transaction, name: str) -> ColumnElement[Any]:
    """The value of one of the caller's tags, NULL without. No path is made of the name: it may be anything."""
    tags = func.nullif(_used.tags, "")
    if tx.dialect.name == "postgresql":
        return func.json_extract_path_text(cast(tags, postgresql.JSON), name)
    pairs = func.json_each(tags).table_valued("key", "value")
    return select(pairs.c.value).where(pairs.c.key == name).scalar_subquery()


def _told() -> dict[str, ColumnElement[Any]]:
    """What is counted of requests besides what is billed, by its name on `Totals`."""
    asked, tokens = _used.kind.not_in(NOT_REQUESTS), _used.prompt_tokens + _used.completion_tokens
    return {
        "requests": case((asked, 1), else_=0),
        "answered": case((asked & _used.outcome.in_(ANSWERED), 1), else_=0),
        "reasoning_tokens": _used.reasoning_tokens,
        "request_tokens": case((asked, tokens), else_=0),
    }


def select_events(
    tx: Transaction, project_id: str, wanted: EventFilter, after: str | None, limit: int, newest_first: bool
) -> Sequence[Row[Any]]:
    """Usage events of the project in the order in which they finished, from beyond event ``after`` on."""
    place = (_used.finished_us, _used.id)
    statement = _with_price(project_id)
    if wanted.start_time is not None:
        statement = statement.where(_used.finished_us >= wanted.start_time * _MICRO)
    if wanted.end_time is not None:
        statement = statement.where(_used.finished_us < wanted.end_time * _MICRO)
    if wanted.model is not None:
        statement = statement.where(_used.model == wanted.model)
    if wanted.invoice_id is not None:
        falls_in = _found_on().where(invoices.c.id == wanted.invoice_id).exists()
        statement = statement.where(or_(invoice_items.c.invoice_id == wanted.invoice_id, falls_in))
    if after is not None:
        cursor = tx.execute(select(*place).where(_used.project_id == project_id, _used.id == after)).one_or_none()
        if cursor is None:
            return []
        here, there = tuple_(*place), tuple_(*cursor)
        statement = statement.where(here < there if newest_first else here > there)
    order = [column.desc() for column in place] if newest_first else place
    return tx.execute(statement.order_by(*order).limit(limit)).all()


def select_event(tx: Transaction, project_id: str, event_id: str) -> Row[Any] | None:
    """One usage event of the project."""
    return tx.execute(_with_price(project_id).where(_used.id == event_id)).one_or_none()


def _with_price(project_id: str) -> Select[Any]:
    """The project's events with their prices, their invoices if any, and units by quantity."""
    counted = {f"{name}_units": expression for name, expression in unit_columns().items()}
    units = [expression.label(name) for name, expression in counted.items() if name not in _used]
    unit_prices = [price_versions.c[name].label(f"{name}_price") for name in QUANTITIES]
    return (
        select(
            usage_events,
            price_versions.c.currency,
            price_versions.c.tiers,
            func.coalesce(invoice_items.c.invoice_id, _found_on().scalar_subquery()).label("invoice_id"),
            *units,
            *unit_prices,
        )
        .join(price_versions, price_versions.c.id == _used.price_version)
        .outerjoin(invoice_items, invoice_items.c.usage_id == _used.id)
        .where(_used.project_id == project_id)
    )


def _found_on() -> Select[Any]:
    """The invoice whose period and span of entries an event falls in, see `argosy.billing.invoices`: at most one."""
    start, end = invoices.c.period_start * _MICRO, invoices.c.period_end * _MICRO
    late = and_(_used.finished_us < start, _used.posted > invoices.c.posted_after)
    return (
        select(invoices.c.id)
        .join(invoice_projects, invoice_projects.c.invoice_id == invoices.c.id)
        .where(invoice_projects.c.project_id == _used.project_id, invoices.c.project_id == "")
        .where(_used.posted > 0, _used.posted <= invoices.c.posted_upto)
        .where(or_(and_(_used.finished_us >= start, _used.finished_us < end), late))
        .correlate(usage_events)
    )
