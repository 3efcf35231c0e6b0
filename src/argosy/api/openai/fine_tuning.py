"""OpenAI's fine-tuning API: create, list, retrieve and cancel jobs, their events and checkpoints."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request

from argosy import tuning
from argosy.api.context import PlatformParts, TuningCaller
from argosy.core import Invalid
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/fine_tuning/jobs", tags=["fine-tuning"])

_METADATA = re.compile(r"metadata\[(.+)\]")


def engines() -> tuning.Engines:
    """Where models are served; tests put their own in its place."""
    return tuning.DeployedEngines()


Limit = Annotated[int, Query(ge=1, le=100)]
AnyEngines = Annotated[tuning.Engines, Depends(engines)]


@router.post("")
def create_job(
    parts: PlatformParts, caller: TuningCaller, serving: AnyEngines, body: Annotated[dict[str, Any], Body()]
) -> dict[str, Any]:
    """Begin to fine-tune a base model on an uploaded file."""
    request = tuning.read_request(body)
    with parts.database.write() as tx:
        return tuning.job_object(tuning.create(tx, caller, request, serving))


@router.get("")
def list_jobs(
    request: Request, parts: PlatformParts, caller: TuningCaller, after: str | None = None, limit: Limit = 20
) -> dict[str, Any]:
    """The project's jobs, newest first; `metadata[key]=value` keeps those that carry it."""
    found = ((_METADATA.fullmatch(name), value) for name, value in request.query_params.items())
    wanted = {match[1]: value for match, value in found if match}
    with parts.database.read() as tx:
        jobs = tuning.list_jobs(tx, caller.project_id, after=after, limit=limit + 1, metadata=wanted)
    return tuning.page([tuning.job_object(job) for job in jobs], limit)


@router.get("/{job_id}")
def retrieve_job(job_id: str, parts: PlatformParts, caller: TuningCaller) -> dict[str, Any]:
    """One job as it stands."""
    with parts.database.read() as tx:
        return tuning.job_object(_job(tx, caller, job_id))


@router.post("/{job_id}/cancel")
def cancel_job(job_id: str, parts: PlatformParts, caller: TuningCaller) -> dict[str, Any]:
    """Stop a job that has not ended. Its last checkpoints stay; nothing is charged."""
    with parts.database.write() as tx:
        return tuning.job_object(tuning.cancel(tx, caller.project_id, job_id))


@router.post("/{job_id}/pause")
@router.post("/{job_id}/resume")
def pause_or_resume_job(job_id: str, parts: PlatformParts, caller: TuningCaller) -> dict[str, Any]:
    """Not supported, and says so."""
    with parts.database.read() as tx:
        _job(tx, caller, job_id)
    raise Invalid(
        "Jobs cannot be paused or resumed here: cancel this one, or let it run. After a crash it resumes by itself.",
        code="unsupported_operation",
    )


@router.get("/{job_id}/events")
def list_events(
    job_id: str, parts: PlatformParts, caller: TuningCaller, after: str | None = None, limit: Limit = 20
) -> dict[str, Any]:
    """What happened to a job, newest first."""
    with parts.database.read() as tx:
        _job(tx, caller, job_id)
        events = tuning.list_events(tx, caller.project_id, job_id, after=after, limit=limit + 1)
    return tuning.page([tuning.event_object(event) for event in events], limit)


@router.get("/{job_id}/checkpoints")
def list_checkpoints(
    job_id: str, parts: PlatformParts, caller: TuningCaller, after: str | None = None, limit: Limit = 10
) -> dict[str, Any]:
    """The checkpoints of a job, latest first; the last three stay once it has ended."""
    with parts.database.read() as tx:
        _job(tx, caller, job_id)
        found = tuning.list_checkpoints(tx, caller.project_id, job_id, after=after, limit=limit + 1)
    return tuning.page([tuning.checkpoint_object(checkpoint) for checkpoint in found], limit)


@router.post("/{job_id}/checkpoints/{checkpoint_id}/deploy")
def deploy_checkpoint(
    job_id: str, checkpoint_id: str, parts: PlatformParts, caller: TuningCaller, serving: AnyEngines
) -> dict[str, Any]:
    """Make a checkpoint a model of its own: it answers under its name as soon as an engine has loaded it.

    Not in OpenAI's API, where every checkpoint is a model at once: here each one would take memory in the engine.
    """
    with parts.database.write() as tx:
        job = _job(tx, caller, job_id)
        return tuning.checkpoint_object(tuning.deploy_checkpoint(tx, parts.blobs, serving, job, checkpoint_id))


def _job(tx: Transaction, caller: TuningCaller, job_id: str) -> tuning.Job:
    job = tuning.get_job(tx, caller.project_id, job_id)
    if job is None:
        raise tuning.no_such_job(job_id)
    return job
