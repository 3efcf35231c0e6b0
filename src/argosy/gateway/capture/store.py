"""All SQL of what is captured: adding within the bounds, listing, rating, and deleting for good.

A project's row of settings is locked by whoever adds or deletes, so that its counts are exact and that what was emptied
or switched off does not come back from requests that were under way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, insert, or_, select, tuple_, update

from argosy.core import now, now_us
from argosy.gateway.capture.rows import CaptureRow, FeedbackRow, Wanted
from argosy.gateway.capture.spec import CaptureSpec, read, write
from argosy.gateway.capture.tables import capture_feedback, capture_settings, captures
from argosy.runtime import Transaction, bump_version, insert_once

_SET, _ROW, _SAID = capture_settings.c, captures.c, capture_feedback.c
_ROOMY = 0.95
"""Of a bound: where room is made, this much is left, so that it is not made anew for every request."""
_AT_ONCE = 500
_DAY_S = 86_400


def put_spec(tx: Transaction, project_id: str, spec: CaptureSpec | None) -> None:
    """Say what is to be kept from now on; None: nothing. What is kept already stays, as long as the new spec says."""
    _lock(tx, project_id)
    written = None if spec is None else write(spec)
    tx.execute(update(capture_settings).where(_SET.project_id == project_id).values(spec=written, changed_at=now()))
    if spec is not None:
        days = update(captures).where(_ROW.project_id == project_id)
        tx.execute(days.values(expires_at=_ROW.created_at + spec.days * _DAY_S))
    bump_version(tx)


def stored_spec(tx: Transaction, project_id: str) -> CaptureSpec | None:
    """What was said last, None: capture is off."""
    found = tx.execute(select(_SET.spec).where(_SET.project_id == project_id)).scalar()
    return read(found) if found else None


def kept(tx: Transaction, project_id: str) -> tuple[int, int]:
    """How many requests are kept, and their bytes."""
    row = tx.execute(select(_SET.row_count, _SET.byte_count).where(_SET.project_id == project_id)).one_or_none()
    return (row.row_count, row.byte_count) if row else (0, 0)


def all_specs(tx: Transaction) -> Mapping[str, CaptureSpec]:
    """What every project that captures wants, by id: the gateway keeps it in memory."""
    rows = tx.execute(select(_SET.project_id, _SET.spec).where(_SET.spec.is_not(None)))
    return {row.project_id: read(row.spec) for row in rows}


def add_captures(tx: Transaction, project_id: str, rows: Sequence[tuple[CaptureRow, int]]) -> int:
    """Keep requests of the project, each with when it began, in microseconds; says how many were.

    Not those that are there already, that began before the project's were deleted, or that it does not want any more.
    """
    settings = _lock(tx, project_id)
    if settings.spec is None:
        return 0
    spec = read(settings.spec)
    there = set(tx.execute(select(_ROW.id).where(_ROW.id.in_([row.id for row, _ in rows]))).scalars())
    fresh = {row.id: row for row, began_us in rows if row.id not in there and began_us > settings.emptied_us}
    if fresh:
        tx.execute(insert(captures), [_columns(row, spec) for row in fresh.values()])
        _count(tx, project_id, len(fresh), sum(len(row.sealed) for row in fresh.values()))
        _make_room(tx, project_id, spec)
    return len(fresh)


def find_capture(tx: Transaction, project_id: str, capture_id: str) -> CaptureRow | None:
    """One captured request of the project."""
    row = tx.execute(_selected(project_id, Wanted()).where(_ROW.id == capture_id)).one_or_none()
    return CaptureRow(**row._mapping) if row else None


def list_captures(
    tx: Transaction,
    project_id: str,
    wanted: Wanted,
    *,
    limit: int,
    after: CaptureRow | None = None,
    newest: bool = True,
) -> list[CaptureRow]:
    """Captured requests by time; ``after`` is the last one of the page before."""
    place = (_ROW.created_at, _ROW.id)
    query = _selected(project_id, wanted).order_by(*(each.desc() if newest else each for each in place)).limit(limit)
    if after is not None:
        last = (after.created_at, after.id)
        query = query.where(tuple_(*place) < last if newest else tuple_(*place) > last)
    return [CaptureRow(**row._mapping) for row in tx.execute(query)]


def count_captures(tx: Transaction, project_id: str, wanted: Wanted) -> int:
    """How many there are of these."""
    query = _selected(project_id, wanted).with_only_columns(func.count())
    return int(tx.execute(query).scalar_one())


def delete_capture(tx: Transaction, project_id: str, capture_id: str) -> bool:
    """Delete one, with what was said of it; says whether it was there."""
    _lock(tx, project_id)
    return bool(_delete(tx, project_id, [capture_id]))


def delete_captures(tx: Transaction, project_id: str) -> int:
    """Delete all of the project, those of requests that are under way included; says how many there were."""
    settings = _lock(tx, project_id)
    wanted = _SET.project_id == project_id
    tx.execute(delete(capture_feedback).where(_SAID.project_id == project_id))
    tx.execute(delete(captures).where(_ROW.project_id == project_id))
    tx.execute(update(capture_settings).where(wanted).values(emptied_us=now_us(), row_count=0, byte_count=0))
    return int(settings.row_count)


def forget_expired(tx: Transaction, limit: int) -> int:
    """Delete up to ``limit`` requests, of any project, that were kept long enough; says how many."""
    old = select(_ROW.project_id, _ROW.id).where(_ROW.expires_at <= now()).order_by(_ROW.expires_at).limit(limit)
    by_project: dict[str, list[str]] = {}
    for row in tx.execute(old):
        by_project.setdefault(row.project_id, []).append(row.id)
    gone = 0
    for project_id in sorted(by_project):  # in one order, so that two who lock several never wait for each other
        _lock(tx, project_id)
        gone += _delete(tx, project_id, by_project[project_id])
    return gone


def put_feedback(tx: Transaction, feedback: FeedbackRow) -> bool:
    """Keep what a key says of a request, in the place of what it said before; says whether the request is there."""
    mine = (_ROW.project_id == feedback.project_id, _ROW.id == feedback.request_id)
    if tx.execute(select(_ROW.id).where(*mine, _ROW.expires_at > now()).with_for_update()).one_or_none() is None:
        return False
    said = (_SAID.project_id == feedback.project_id, _SAID.request_id == feedback.request_id)
    tx.execute(delete(capture_feedback).where(*said, _SAID.key_id == feedback.key_id))
    tx.execute(insert(capture_feedback).values(**vars(feedback)))
    found = tx.execute(select(_SAID.rating, _SAID.corrects).where(*said)).all()
    rating = sum(row.rating for row in found) / len(found)
    corrected = any(row.corrects for row in found)
    tx.execute(update(captures).where(*mine).values(rating=rating, corrected=corrected))
    return True


def list_feedback(tx: Transaction, project_id: str, request_ids: Sequence[str]) -> list[FeedbackRow]:
    """What was said of some requests, oldest first."""
    wanted = (_SAID.project_id == project_id, _SAID.request_id.in_(request_ids))
    rows = tx.execute(select(capture_feedback).where(*wanted).order_by(_SAID.created_us, _SAID.key_id))
    return [FeedbackRow(**row._mapping) for row in rows]


def _lock(tx: Transaction, project_id: str) -> Any:
    """The project's settings, made if need be, for this transaction alone."""
    query = select(capture_settings).where(_SET.project_id == project_id).with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None:
        nothing = {"spec": None, "changed_at": now(), "emptied_us": 0, "row_count": 0, "byte_count": 0}
        tx.execute(insert_once(tx, capture_settings).values(project_id=project_id, **nothing))
        row = tx.execute(query).one()
    return row


def _columns(row: CaptureRow, spec: CaptureSpec) -> dict[str, Any]:
    return {**vars(row), "expires_at": row.created_at + spec.days * _DAY_S, "bytes": len(row.sealed)}


def _count(tx: Transaction, project_id: str, rows: int, size: int) -> None:
    changed = {"row_count": _SET.row_count + rows, "byte_count": _SET.byte_count + size}
    tx.execute(update(capture_settings).where(_SET.project_id == project_id).values(**changed))


def _make_room(tx: Transaction, project_id: str, spec: CaptureSpec) -> None:
    rows, size = kept(tx, project_id)
    if rows <= spec.rows_max and size <= spec.bytes_max:
        return
    while rows > spec.rows_max * _ROOMY or size > spec.bytes_max * _ROOMY:
        unrated_first = (_ROW.rating.is_not(None), _ROW.created_at, _ROW.id)
        query = select(_ROW.id, _ROW.bytes).where(_ROW.project_id == project_id).order_by(*unrated_first)
        going: list[str] = []
        for row in tx.execute(query.limit(_AT_ONCE)):
            if rows <= spec.rows_max * _ROOMY and size <= spec.bytes_max * _ROOMY:
                break
            going.append(row.id)
            rows, size = rows - 1, size - row.bytes
        if not going:
            return
        _delete(tx, project_id, going)


def _delete(tx: Transaction, project_id: str, ids: Sequence[str]) -> int:
    """Delete these, as far as they are there. The project's settings are locked."""
    mine = (_ROW.project_id == project_id, _ROW.id.in_(ids))
    rows, size = tx.execute(select(func.count(), func.coalesce(func.sum(_ROW.bytes), 0)).where(*mine)).one()
    tx.execute(delete(capture_feedback).where(_SAID.project_id == project_id, _SAID.request_id.in_(ids)))
    tx.execute(delete(captures).where(*mine))
    _count(tx, project_id, -rows, -int(size))
    return int(rows)


def _selected(project_id: str, wanted: Wanted) -> "Select[Any]":
    columns = [_ROW[name] for name in CaptureRow.__dataclass_fields__]
    conditions: list[ColumnElement[bool]] = [_ROW.project_id == project_id, _ROW.expires_at > now()]
    if wanted.model is not None:
        conditions.append(or_(_ROW.model == wanted.model, _ROW.served_by == wanted.model))
    if wanted.since is not None:
        conditions.append(_ROW.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(_ROW.created_at < wanted.until)
    if wanted.rating is not None:
        conditions.append(
            {
                "up": _ROW.rating > 0,
                "down": _ROW.rating < 0,
                "neutral": _ROW.rating == 0,
                "any": _ROW.rating.is_not(None),
                "none": _ROW.rating.is_(None),
            }[wanted.rating]
        )
    return select(*columns).where(*conditions)
