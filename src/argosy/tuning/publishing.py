"""What a finished training leaves behind: the adapter, its checkpoints, a table of results."""

import csv
import hashlib
import io
import shutil
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from argosy import catalog, datasets
from argosy.core import Invalid, NotFound
from argosy.runtime import Blobs, Database, Transaction
from argosy.tuning import store
from argosy.tuning.engines import Engines, not_deployed
from argosy.tuning.progress import Event, spent
from argosy.tuning.store import Job, StoredCheckpoint
from argosy.tuning.trainers.protocol import ADAPTER_FILE, CHECKPOINTS

_COLUMNS = {
    "step": "step",
    "train_loss": "train_loss",
    "train_accuracy": "train_mean_token_accuracy",
    "valid_loss": "full_valid_loss",
    "valid_mean_token_accuracy": "full_valid_mean_token_accuracy",
}
"""OpenAI's columns, and the metric each comes from."""
_CHECKPOINTS_KEPT = 3


def model_name(base: str, organization: str, suffix: str | None, job_id: str) -> str:
    """``ft:BASE:ORGANIZATION:SUFFIX:ID``; without a suffix its place stays empty."""
    return f"ft:{base}:{organization}:{suffix or ''}:{job_id[-8:]}"


def result_table(metrics: Iterable[Mapping[str, Any]]) -> bytes:
    """One CSV line a step, empty cells where there is no value."""
    steps: dict[int, dict[str, Any]] = {}
    for data in metrics:
        steps.setdefault(data["step"], {}).update(data)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for _, data in sorted(steps.items()):
        writer.writerow([data.get(metric, "") for metric in _COLUMNS.values()])
    return text.getvalue().encode()


def publish(database: Database, blobs: Blobs, job: Job, folder: Path, weights: Path) -> bool:
    """Store the adapter and the results, and register the model. False if the job was cancelled.

    ``weights`` is the file that the adapter was trained on.
    """
    clock = time.monotonic()
    digest, size = blobs.put_file(folder / ADAPTER_FILE)
    with database.read() as tx:
        table = result_table(store.metrics_of(tx, job.project_id, job.id))
        lineage = lineage_of(tx, job, weights)
    results, results_size = blobs.put([table])
    progress = job.progress
    events = [spent(progress, "publish", time.monotonic() - clock), Event("Waiting for an engine to load the model")]
    with database.write() as tx:
        # The guard comes first: a cancelled job gets neither a file nor a model.
        if not store.change(tx, job, "running", events, come_from=("running",), progress=progress):
            return False
        name = f"{job.id}-results.csv"
        file = datasets.add_file(tx, job.project_id, name, "fine-tune-results", results_size, results)
        store.change(tx, job, "running", come_from=("running",), result_file=file.id)
        catalog.register_adapter(tx, job.project_id, job.fine_tuned_model, job.model, digest, size, lineage)
    return True


def deploy_checkpoint(
    tx: Transaction, blobs: Blobs, engines: Engines, job: Job, checkpoint_id: str
) -> StoredCheckpoint:
    """Register the adapter of a checkpoint as a model of its own. Harmless to repeat.

    Raises NotFound, or Invalid while the job still trains or its base is not deployed.
    """
    found = [c for c in store.list_checkpoints(tx, job.project_id, job.id) if c.id == checkpoint_id]
    if not found:
        raise NotFound(f"The job '{job.id}' has no checkpoint '{checkpoint_id}'.", code="checkpoint_not_found")
    if found[0].blob is None:
        raise Invalid("A checkpoint can be deployed once the job has ended.", code="job_not_ended")
    weights = engines.weights(tx, job.model)
    if weights is None:
        raise not_deployed(job.model)
    blob, lineage = found[0].blob, lineage_of(tx, job, weights, found[0].step)
    size = blobs.path(blob).stat().st_size
    catalog.register_adapter(tx, job.project_id, found[0].model, job.model, blob, size, lineage)
    return found[0]


def lineage_of(tx: Transaction, job: Job, weights: Path, step: int | None = None) -> catalog.Lineage:
    """What the adapter of a job, or of its checkpoint at ``step``, was made of."""
    rows = datasets.find_dataset_version(tx, job.project_id, str(job.training_dataset))
    return catalog.Lineage(
        base=job.model,
        base_digest=_digest(weights, weights.stat().st_mtime_ns),
        dataset_digest=rows.digest,
        job=job.id,
        code_version=catalog.code_version(),
        hyperparameters=job.progress.settings,
        checkpoint_step=step,
    )


@lru_cache(maxsize=8)
def _digest(file: Path, _changed_ns: int) -> str:
    """SHA-256 of a weights file: a few hundred megabytes, so not computed for every job."""
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def keep_checkpoints(database: Database, blobs: Blobs, job: Job, folder: Path) -> None:
    """Move the last checkpoints from the work folder to the blobs, and forget the older ones, as OpenAI does.

    They are kept even if the job was cancelled or failed: each of them can be deployed.
    """
    with database.read() as tx:
        found = store.list_checkpoints(tx, job.project_id, job.id)
    for place, checkpoint in enumerate(found):
        file = folder / checkpoint.adapter
        if checkpoint.blob is not None:
            continue
        blob = blobs.put_file(file)[0] if place < _CHECKPOINTS_KEPT and file.exists() else None
        with database.write() as tx:
            store.keep_checkpoint(tx, job.project_id, checkpoint, blob)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
