"""Jobs, events and checkpoints as OpenAI's API shows them."""

from collections.abc import Sequence
from typing import Any

from argosy.tuning.store import Job, StoredCheckpoint, StoredEvent

_METRICS = (
    "step", "train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy", "full_valid_loss",
    "full_valid_mean_token_accuracy",
)  # fmt: skip


def job_object(job: Job) -> dict[str, Any]:
    """`fine_tuning.job`. The new model's name and the tokens appear once there is something to use and to pay."""
    succeeded = job.status == "succeeded"
    return {
        "object": "fine_tuning.job",
        "id": job.id,
        "created_at": job.created_us // 1_000_000,
        "error": job.error,
        "fine_tuned_model": job.fine_tuned_model if succeeded else None,
        "finished_at": None if job.finished_us is None else job.finished_us // 1_000_000,
        "hyperparameters": job.hyperparameters,
        "model": job.model,
        "organization_id": job.organization_id,
        "result_files": [job.result_file] if job.result_file else [],
        "seed": job.seed,
        "status": job.status,
        "trained_tokens": job.trained_tokens,
        "training_file": job.training_file,
        "validation_file": job.validation_file,
        "estimated_finish": job.estimated_finish if job.status == "running" else None,
        "integrations": [],
        "metadata": job.metadata,
        "method": {"type": "supervised", "supervised": {"hyperparameters": job.hyperparameters}},
        "user_provided_suffix": job.suffix,
    }


def event_object(event: StoredEvent) -> dict[str, Any]:
    """`fine_tuning.job.event`."""
    return {
        "object": "fine_tuning.job.event",
        "id": event.id,
        "created_at": event.created_us // 1_000_000,
        "level": event.level,
        "message": event.message,
        "type": event.type,
        "data": event.data or {},
    }


def checkpoint_object(checkpoint: StoredCheckpoint) -> dict[str, Any]:
    """`fine_tuning.job.checkpoint`."""
    metrics = {name: checkpoint.metrics.get(name) for name in _METRICS if name in checkpoint.metrics}
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": checkpoint.id,
        "created_at": checkpoint.created_us // 1_000_000,
        "fine_tuning_job_id": checkpoint.job_id,
        "fine_tuned_model_checkpoint": checkpoint.model,
        "step_number": checkpoint.step,
        "metrics": metrics | {"step": checkpoint.step},
    }


def page(objects: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """OpenAI's list. ``objects`` holds one more than ``limit`` if there is more."""
    shown = list(objects[:limit])
    return {
        "object": "list",
        "data": shown,
        "has_more": len(objects) > limit,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
    }
