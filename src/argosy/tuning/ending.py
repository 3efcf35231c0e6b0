"""How a job ends: failed with a reason, cancelled, or paid for; and what is cleared away afterwards."""

import errno
import logging
from pathlib import Path
from typing import Any

import msgspec

from argosy import billing, catalog
from argosy.billing import funds
from argosy.core import ArgosyError, Internal, Invalid, NotFound, OutOfSpace, now_us
from argosy.runtime import Blobs, Database, Transaction
from argosy.tuning import store
from argosy.tuning.progress import Event
from argosy.tuning.publishing import keep_checkpoints
from argosy.tuning.store import UNFINISHED, Job
from argosy.tuning.trainers.protocol import ADAPTER_FILE

_LOG = logging.getLogger(__name__)
_PROBLEMS_SHOWN = 20


def cancel(tx: Transaction, project_id: str, job_id: str) -> Job:
    """Cancel a job, wherever it stands. Harmless to repeat. Raises NotFound, or Invalid if it has ended otherwise."""
    job = store.get_job(tx, project_id, job_id)
    if job is None:
        raise no_such_job(job_id)
    event = Event("The job was cancelled")
    store.change(tx, job, "cancelled", [event], come_from=UNFINISHED, finished_us=now_us(), estimated_finish=None)
    funds.let_go(tx, job.id)
    job = store.get_job(tx, project_id, job_id)
    assert job is not None, "jobs are never deleted"
    if job.status != "cancelled":
        raise Invalid(f"The job '{job_id}' has {job.status} and cannot be cancelled any more.", code="job_has_ended")
    return job


def no_such_job(job_id: str) -> NotFound:
    """What is said of a job that is not there, or is another project's."""
    return NotFound(f"There is no fine-tuning job '{job_id}' in this project.", code="fine_tuning_job_not_found")


def fail(database: Database, job: Job, error: Exception) -> None:
    """Any status → failed, with an event for each problem, unless the job has ended already."""
    reason = _reason(error)
    problems = reason.details[:_PROBLEMS_SHOWN] if isinstance(reason.details, list) else []
    # The first problem stands in the message already, with how many there are of all.
    message = "\n".join([reason.message, *(_line(problem) for problem in problems[1:])])
    events = [Event(_line(p), level="error", data={"line": p["line"], "code": p["code"]}) for p in problems]
    events.append(Event(f"The job failed: {reason.message}", level="error"))
    known = {"code": reason.code, "message": message, "param": reason.param}
    with database.write() as tx:
        store.change(
            tx, job, "failed", events, come_from=UNFINISHED, error=known, finished_us=now_us(), estimated_finish=None
        )
        funds.let_go(tx, job.id)


def charge(tx: Transaction, job: Job, trained_tokens: int, finished_us: int) -> None:
    """Bill the job, out of what was held for it. The row's id is the job's: recorded once, whoever tries again."""
    event = _usage_of(job, trained_tokens, finished_us)
    held = funds.job_hold(tx, job.id)
    billing.record(tx, [msgspec.structs.replace(event, fund=held.fund, held=held.held)], funds.holder_of(job.id))
    funds.let_go(tx, job.id)


def billed_tokens(job: Job) -> int:
    """What a finished job is charged for, in tokens: those that it saw, and no more than its rows have."""
    finished, planned = job.progress.finished, job.progress.planned_tokens
    assert finished is not None, "a job is settled after it was trained"
    return min(finished.trained_tokens, planned) if planned else finished.trained_tokens


def _usage_of(job: Job, trained_tokens: int, finished_us: int) -> billing.UsageEvent:
    return billing.UsageEvent(
        id=job.id,
        project_id=job.project_id,
        key_id=job.key_id,
        kind="training",
        model=job.model,
        base_model=job.model,
        price_version=job.price_version,
        started_us=job.started_us or job.created_us,
        finished_us=finished_us,
        training_tokens=trained_tokens,
    )


def clear(database: Database, blobs: Blobs, job: Job, folder: Path) -> None:
    """After a job has ended: keep its last checkpoints, take back a name that it must not have, free the disk."""
    if job.status != "succeeded":
        keep_checkpoints(database, blobs, job, folder)
        with database.write() as tx:
            catalog.remove_adapter(tx, job.project_id, job.fine_tuned_model)
    (folder / ADAPTER_FILE).unlink(missing_ok=True)


def _reason(error: Exception) -> ArgosyError:
    if isinstance(error, ArgosyError):
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace("The disk that holds Argosy's home is full. Free some space and try again.", code="disk_full")
    _LOG.error("a fine-tuning job failed unexpectedly", exc_info=error)
    return Internal(
        f"Something went wrong in Argosy itself ({type(error).__name__}: {error}). The worker's log has the details.",
        code="internal_error",
    )


def _line(problem: dict[str, Any]) -> str:
    place = f"Line {problem['line']}: " if problem["line"] else ""
    return f"{place}{problem['message']}"
