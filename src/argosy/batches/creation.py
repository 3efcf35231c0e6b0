"""Creating a batch: what can be told at once is told at once; the worker checks the lines."""

from argosy import datasets
from argosy.batches import store
from argosy.batches.requests import WINDOW_S, BatchRequest
from argosy.batches.store import Batch
from argosy.core import Invalid, NotFound, new_id, now
from argosy.identity import Caller
from argosy.runtime import Transaction


def create(tx: Transaction, caller: Caller, request: BatchRequest, discount: int) -> Batch:
    """A new batch in `validating`, its lines ``discount`` percent cheaper for good. Raises Invalid for the file."""
    file = _find(tx, caller.project_id, request.input_file)
    values = {
        "id": new_id("batch_"),
        "organization_id": caller.organization_id,
        "organization_slug": caller.organization_slug,
        "key_id": caller.key_id,
        "endpoint": request.endpoint,
        "completion_window": request.completion_window,
        "discount": discount,
        "metadata": request.metadata,
        "input_file": file.id,
        "input_digest": file.digest,
        "expires_at": now() + WINDOW_S,
    }
    return store.create_batch(tx, caller.project_id, values)


def _find(tx: Transaction, project_id: str, file_id: str) -> datasets.File:
    try:
        file = datasets.find_file(tx, project_id, file_id)
    except NotFound as error:
        raise Invalid(
            f"There is no file '{file_id[:80]}' in this project. Upload it first, with purpose 'batch'.",
            code="file_not_found",
            param="input_file_id",
        ) from error
    if file.purpose != "batch":
        raise Invalid(
            f"The file '{file_id}' was uploaded for '{file.purpose}'. Upload it again with purpose 'batch'.",
            code="invalid_file_purpose",
            param="input_file_id",
        )
    return file
