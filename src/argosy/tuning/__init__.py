"""Fine-tuning: jobs as durable stages, a trainer process for the running one, and at the end a model that answers."""

from argosy.tuning.creation import create
from argosy.tuning.ending import cancel, no_such_job
from argosy.tuning.engines import DeployedEngines, Engines
from argosy.tuning.publishing import deploy_checkpoint
from argosy.tuning.requests import JobRequest, read_request
from argosy.tuning.store import Job, get_job, list_checkpoints, list_events, list_jobs
from argosy.tuning.story import Tuner
from argosy.tuning.wire import checkpoint_object, event_object, job_object, page
from argosy.tuning.worker import Chore, Worker

__all__ = [
    "Chore",
    "DeployedEngines",
    "Engines",
    "Job",
    "JobRequest",
    "Tuner",
    "Worker",
    "cancel",
    "checkpoint_object",
    "create",
    "deploy_checkpoint",
    "event_object",
    "get_job",
    "job_object",
    "list_checkpoints",
    "list_events",
    "list_jobs",
    "no_such_job",
    "page",
    "read_request",
]
