"""All SQL about batches. A change of status is always guarded by the status it comes from."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, insert, or_, select, update

from argosy.batches.tables import batches
from argosy.core import now
from argosy.runtime import Transaction

UNFINISHED = ("validating", "in_progress", "finalizing", "cancelling")
PROJECTS_AT_ONCE = 8
"""Projects whose lines run at the same time: each has one batch running, its oldest."""
_TIMED = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """One batch, as its row has it. Times are unix seconds."""

    id: str
    project_id: str
    organization_id: str
    organization_slug: str
    key_id: str
    status: str
    endpoint: str
    completion_window: str
    discount: int
    metadata: dict[str, str] | None
    input_file: str
    input_digest: str
    errors: list[dict[str, Any]] | None
    output_file: str | None
    error_file: str | None
    total: int
    """Lines of the file; 0 until it is validated."""
    completed: int
    failed: int
    input_tokens: int
    """Tokens of all answers so far, the cached ones among them."""
    cached_tokens: int
    output_tokens: int
    created_at: int
    expires_at: int
    in_progress_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status not in UNFINISHED


class Counts(msgspec.Struct, frozen=True):
    """How far a batch is: lines that were answered, lines that ended with an error, and tokens of the answers."""

    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


def create_batch(tx: Transaction, project_id: str, values: Mapping[str, Any]) -> Batch:
    """A new row, to be validated. ``values`` are the columns that the request decides, and the id."""
    row = dict(values) | {"project_id": project_id, "status": "validating", "total": 0, "created_at": now()}
    tx.execute(insert(batches).values(row | msgspec.structs.asdict(Counts())))
    made = get_batch(tx, project_id, row["id"])
    assert made is not None
    return made


def get_batch(tx: Transaction, project_id: str, batch_id: str) -> Batch | None:
    """The batch if it belongs to the project."""
    return next(iter(_read(tx, select(batches).where(_is(project_id, batch_id)))), None)


def list_batches(tx: Transaction, project_id: str, *, after: str | None, limit: int) -> list[Batch]:
    """Newest first, those older than ``after``."""
    query = select(batches).where(batches.c.project_id == project_id).order_by(batches.c.id.desc()).limit(limit)
    return _read(tx, query if after is None else query.where(batches.c.id < after))


def change(tx: Transaction, batch: Batch, status: str, *, come_from: Sequence[str], **values: Any) -> bool:
    """Move a batch on and note the time. False, and nothing done, if it is not where it should come from.

    A batch that was cancelled in the meantime therefore stays cancelled.
    """
    times = {f"{status}_at": now()} if status in _TIMED else {}
    guard = and_(_is(batch.project_id, batch.id), batches.c.status.in_(come_from))
    return bool(tx.execute(update(batches).where(guard).values(status=status, **times, **values)).rowcount)


def note_progress(tx: Transaction, batch: Batch, counts: Counts) -> None:
    """Show how far the batch is."""
    tx.execute(update(batches).where(_is(batch.project_id, batch.id)).values(msgspec.structs.asdict(counts)))


def to_do(tx: Transaction) -> list[str]:
    """Ids of the batches, of all projects, that the worker has something to do for, oldest first.

    That is to check or to end each one that needs it, and to run the oldest one of some projects.
    """
    running = batches.c.status == "in_progress"
    brief = or_(batches.c.status.in_(("validating", "finalizing", "cancelling")), and_(running, _expired()))
    found = set(tx.execute(select(batches.c.id).where(brief)).scalars()) | set(_at_the_head(tx))
    return sorted(found)


def has_turn(tx: Transaction, batch: Batch) -> bool:
    """Whether the batch's lines may run now."""
    return batch.id in _at_the_head(tx)


def batch_at_work(tx: Transaction, batch_id: str) -> Batch:
    """The batch whose id the worker's durable workflow carries; its project is in the row."""
    return _read(tx, select(batches).where(batches.c.id == batch_id))[0]


def _at_the_head(tx: Transaction) -> list[str]:
    heads = select(func.min(batches.c.id).label("id")).where(batches.c.status == "in_progress")
    heads = heads.group_by(batches.c.project_id).order_by("id").limit(PROJECTS_AT_ONCE)
    return list(tx.execute(heads).scalars())


def _expired() -> ColumnElement[bool]:
    return batches.c.expires_at <= now()


def _is(project_id: str, batch_id: str) -> ColumnElement[bool]:
    return and_(batches.c.project_id == project_id, batches.c.id == batch_id)


def _read(tx: Transaction, query: Select[Any]) -> list[Batch]:
    rows = tx.execute(query).mappings()
    return [msgspec.convert({str(name): value for name, value in row.items()}, Batch) for row in rows]
