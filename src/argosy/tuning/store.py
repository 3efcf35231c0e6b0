"""All SQL about fine-tuning jobs. A change of status is always guarded by the status it comes from."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, and_, delete, exists, insert, or_, select, update

from argosy.core import new_id, now_us
from argosy.runtime import Transaction
from argosy.tuning.progress import Batch, Event, Progress
from argosy.tuning.tables import checkpoints, events, jobs
from argosy.tuning.trainers.protocol import Checkpoint

Shape = TypeVar("Shape", bound=msgspec.Struct)

UNFINISHED = ("validating_files", "queued", "running")


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job, as its row has it. Times ending in ``_us`` are microseconds, the others seconds."""

    id: str
    project_id: str
    organization_id: str
    organization_slug: str
    key_id: str | None
    model: str
    status: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    seed: int
    hyperparameters: dict[str, Any]
    metadata: dict[str, str] | None
    price_version: str
    training_dataset: str | None
    validation_dataset: str | None
    fine_tuned_model: str
    result_file: str | None
    trained_tokens: int | None
    estimated_finish: int | None
    error: dict[str, Any] | None
    progress: Progress
    created_us: int
    queued_us: int | None
    started_us: int | None
    finished_us: int | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status not in UNFINISHED


class StoredEvent(msgspec.Struct, frozen=True):
    """An event with its place in the job."""

    id: str
    sequence: int
    created_us: int
    level: str
    type: str
    message: str
    data: dict[str, Any] | None


class StoredCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint. ``blob`` is None until training has ended."""

    id: str
    job_id: str
    step: int
    model: str
    metrics: dict[str, float]
    adapter: str
    blob: str | None
    created_us: int


def create_job(tx: Transaction, project_id: str, values: Mapping[str, Any]) -> Job:
    """A new row, to be validated. ``values`` are the columns that the request decides, and the id."""
    row = dict(values) | {"project_id": project_id, "status": "validating_files"}
    row |= {"progress": msgspec.to_builtins(Progress()), "event_count": 0, "created_us": now_us()}
    tx.execute(insert(jobs).values(row))
    job = get_job(tx, project_id, row["id"])
    assert job is not None
    add_events(tx, project_id, job.id, [Event(f"Created fine-tuning job: {job.id}"), Event("Validating training file")])
    return job


def get_job(tx: Transaction, project_id: str, job_id: str) -> Job | None:
    """The job if it belongs to the project."""
    return _one(tx, select(jobs).where(_is(project_id, job_id)))


def list_jobs(
    tx: Transaction, project_id: str, *, after: str | None, limit: int, metadata: Mapping[str, str] | None = None
) -> list[Job]:
    """Newest first, those older than ``after``, with at least these metadata."""
    query = select(jobs).where(jobs.c.project_id == project_id).order_by(jobs.c.id.desc()).limit(limit)
    if after is not None:
        query = query.where(jobs.c.id < after)
    for key, value in (metadata or {}).items():
        query = query.where(jobs.c.metadata[key].as_string() == value)
    return _many(tx, query, Job)


def list_events(tx: Transaction, project_id: str, job_id: str, *, after: str | None, limit: int) -> list[StoredEvent]:
    """Newest first, those older than the event with the id ``after``."""
    query = select(events).join(jobs).where(_is(project_id, job_id)).order_by(events.c.sequence.desc()).limit(limit)
    if after is not None:
        last = select(events.c.sequence).where(events.c.job_id == job_id, events.c.id == after).scalar_subquery()
        query = query.where(events.c.sequence < last)
    return _many(tx, query, StoredEvent)


def metrics_of(tx: Transaction, project_id: str, job_id: str) -> list[dict[str, Any]]:
    """The data of all metrics events, oldest first."""
    query = select(events.c.data).join(jobs).where(_is(project_id, job_id), events.c.type == "metrics")
    return list(tx.execute(query.order_by(events.c.sequence)).scalars())


def list_checkpoints(
    tx: Transaction, project_id: str, job_id: str, *, after: str | None = None, limit: int = 100
) -> list[StoredCheckpoint]:
    """Latest step first."""
    query = select(checkpoints).join(jobs).where(_is(project_id, job_id)).order_by(checkpoints.c.step.desc())
    if after is not None:
        last = select(checkpoints.c.step).where(checkpoints.c.id == after).scalar_subquery()
        query = query.where(checkpoints.c.step < last)
    return _many(tx, query.limit(limit), StoredCheckpoint)


def keep_checkpoint(tx: Transaction, project_id: str, checkpoint: StoredCheckpoint, blob: str | None) -> None:
    """Note where the adapter of a checkpoint is kept; None forgets the checkpoint."""
    mine = exists().where(_is(project_id, checkpoint.job_id), jobs.c.id == checkpoints.c.job_id)
    this = and_(checkpoints.c.id == checkpoint.id, mine)
    tx.execute(delete(checkpoints).where(this) if blob is None else update(checkpoints).where(this).values(blob=blob))


def add_events(tx: Transaction, project_id: str, job_id: str, new: Sequence[Event]) -> None:
    """Append events. Their numbers come from a counter in the job's row, whose lock keeps writers apart."""
    if not new:
        return
    count = update(jobs).where(_is(project_id, job_id)).values(event_count=jobs.c.event_count + len(new))
    last = tx.execute(count.returning(jobs.c.event_count)).scalar_one()
    first, time = last - len(new) + 1, now_us()
    common = {"job_id": job_id, "created_us": time}
    rows = [
        {"sequence": first + i, "id": new_id("ftevent-"), "level": event.level, "type": event.kind,
         "message": event.message, "data": event.data, **common}
        for i, event in enumerate(new)
    ]  # fmt: skip
    tx.execute(insert(events), rows)


def change(
    tx: Transaction, job: Job, status: str, new: Sequence[Event] = (), *, come_from: Sequence[str], **values: Any
) -> bool:
    """Move a job on, with the events that say so. False, and nothing done, if it is not where it should come from.

    A job that was cancelled in the meantime therefore stays cancelled.
    """
    if isinstance(values.get("progress"), Progress):
        values["progress"] = msgspec.to_builtins(values["progress"])
    guard = and_(_is(job.project_id, job.id), jobs.c.status.in_(come_from))
    if tx.execute(update(jobs).where(guard).values(status=status, **values)).rowcount == 0:
        return False
    add_events(tx, job.project_id, job.id, new)
    return True


def take_turn(tx: Transaction, job: Job, new: Sequence[Event], **values: Any) -> bool:
    """queued → running, unless one is running or an older one is still to come. False if so, or if it is not queued."""
    ahead = or_(jobs.c.status == "running", and_(jobs.c.status.in_(UNFINISHED), jobs.c.id < job.id))
    if tx.execute(select(jobs.c.id).where(ahead).limit(1)).first() is not None:
        return False
    return change(tx, job, "running", new, come_from=("queued",), **values)


def absorb(tx: Transaction, job: Job, batch: Batch, estimated_finish: int | None) -> bool:
    """Write what the trainer reported. False, and nothing done, if the job is not running any more."""
    values: dict[str, Any] = {"progress": batch.progress}
    values |= {"hyperparameters": batch.hyperparameters} if batch.hyperparameters else {}
    values |= {"estimated_finish": estimated_finish} if estimated_finish else {}
    if not change(tx, job, "running", batch.events, come_from=("running",), **values):
        return False
    for record in batch.checkpoints:
        _add_checkpoint(tx, job, record)
    return True


def unfinished(tx: Transaction) -> list[str]:
    """Ids of the jobs, of all projects, that the worker still has to do something for, oldest first."""
    return list(tx.execute(select(jobs.c.id).where(jobs.c.status.in_(UNFINISHED)).order_by(jobs.c.id)).scalars())


def job_at_work(tx: Transaction, job_id: str) -> Job:
    """The job whose id the worker's durable workflow carries; its project is in the row."""
    job = _one(tx, select(jobs).where(jobs.c.id == job_id))
    assert job is not None, f"the workflow {job_id} has no job"
    return job


def _add_checkpoint(tx: Transaction, job: Job, record: Checkpoint) -> None:
    """Once for each step: a trainer that was interrupted may come to the same one again."""
    known = select(checkpoints.c.id).where(checkpoints.c.job_id == job.id, checkpoints.c.step == record.step)
    if tx.execute(known).first() is None:
        name = f"{job.fine_tuned_model}:ckpt-step-{record.step}"
        row = {"id": new_id("ftckpt_"), "job_id": job.id, "step": record.step, "model": name, "metrics": record.metrics}
        tx.execute(insert(checkpoints).values(**row, adapter=record.adapter, created_us=now_us()))


def _is(project_id: str, job_id: str) -> ColumnElement[bool]:
    return and_(jobs.c.project_id == project_id, jobs.c.id == job_id)


def _one(tx: Transaction, query: Select[Any]) -> Job | None:
    return next(iter(_many(tx, query, Job)), None)


def _many(tx: Transaction, query: Select[Any], kind: type[Shape]) -> list[Shape]:
    rows = tx.execute(query).mappings()
    return [msgspec.convert({str(name): value for name, value in row.items()}, kind) for row in rows]
