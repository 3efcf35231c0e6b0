"""How a batch ends: its answers become files, and the status says why there are no more."""

import errno
import logging
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from argosy import datasets
from argosy.batches import store
from argosy.batches.lines import lines_to_do
from argosy.batches.results import Results, unanswered_line
from argosy.batches.store import UNFINISHED, Batch
from argosy.core import ArgosyError, Internal, Invalid, NotFound
from argosy.runtime import Blobs, Database, Transaction

OUTPUT_PURPOSE = "batch_output"
_LOG = logging.getLogger(__name__)
_CHUNK = 1 << 20
_UNANSWERED = {
    "cancelled": ("batch_cancelled", "The batch was cancelled before this request was answered."),
    "expired": ("batch_expired", "This request could not be answered before the completion window ended."),
    "failed": ("batch_failed", "The batch failed before this request was answered."),
}


def cancel(tx: Transaction, project_id: str, batch_id: str) -> Batch:
    """Begin to cancel a batch. Harmless to repeat. Raises NotFound, or Invalid if it has ended or is about to."""
    batch = store.get_batch(tx, project_id, batch_id)
    if batch is None:
        raise no_such_batch(batch_id)
    store.change(tx, batch, "cancelling", come_from=("validating", "in_progress"))
    batch = store.get_batch(tx, project_id, batch_id)
    assert batch is not None, "batches are never deleted"
    if batch.status not in ("cancelling", "cancelled"):
        raise Invalid(
            f"The batch '{batch_id}' is {batch.status} and cannot be cancelled any more.", code="batch_has_ended"
        )
    return batch


def no_such_batch(batch_id: str) -> NotFound:
    """What is said of a batch that is not there, or is another project's."""
    return NotFound(
        f"There is no batch '{batch_id}' in this project. GET /v1/batches lists them.", code="batch_not_found"
    )


def finish(database: Database, blobs: Blobs, batch: Batch, results: Results) -> None:
    """finalizing or cancelling → completed, expired or cancelled, with the files, in one transaction."""
    if batch.status == "cancelling":
        end = "cancelled"
    else:
        end = "completed" if len(results.done) == batch.total else "expired"
    publish(database, blobs, batch, results, end)


def fail(database: Database, blobs: Blobs, batch: Batch, results: Results | None, error: Exception) -> None:
    """Any status → failed. Answers that there are become files none the less: they were billed."""
    known = {"code": "internal_error", "line": None, "param": None}
    reason = _reason(error)
    errors = [known | {"code": reason.code, "message": reason.message, "param": reason.param}]
    if results is None:
        with database.write() as tx:
            store.change(tx, batch, "failed", come_from=UNFINISHED, errors=errors)
    else:
        publish(database, blobs, batch, results, "failed", errors=errors)


def publish(database: Database, blobs: Blobs, batch: Batch, results: Results, end: str, **values: Any) -> None:
    """Give the batch its files and its last status. Repeating it does nothing."""
    output, errors = results.paths
    contents = {"output": _pieces(output), "error": _errors(errors, blobs, batch, results, end)}
    stored = {name: _put(blobs, pieces) for name, pieces in contents.items()}
    with database.write() as tx:
        store.note_progress(tx, batch, results.counts)
        if not store.change(tx, batch, end, come_from=UNFINISHED):
            return
        for name, blob in stored.items():
            if blob is not None:
                digest, size = blob
                named = f"{batch.id}_{name}.jsonl"
                made = datasets.add_file(tx, batch.project_id, named, OUTPUT_PURPOSE, size, digest)
                values[f"{name}_file"] = made.id
        store.change(tx, batch, end, come_from=(end,), **values)


def _put(blobs: Blobs, pieces: Iterator[bytes]) -> tuple[str, int] | None:
    """Store the pieces, unless there are none."""
    first = next(pieces, None)
    return None if first is None else blobs.put(chain((first,), pieces))


def clear(folder: Path) -> None:
    """Free the disk of a batch that has ended."""
    shutil.rmtree(folder, ignore_errors=True)


def is_full_disk(error: Exception) -> bool:
    """Whether the disk is full, which may pass, so that the batch goes on then."""
    return (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or (
        isinstance(error, ArgosyError) and error.code == "disk_full"
    )


def _errors(path: Path, blobs: Blobs, batch: Batch, results: Results, end: str) -> Iterator[bytes]:
    """The error file: the lines that ended with one, then those that were never answered."""
    yield from _pieces(path)
    if batch.total and end in _UNANSWERED:
        for line in lines_to_do(blobs.path(batch.input_digest), results.done):
            yield unanswered_line(batch.id, line.number, line.custom_id, *_UNANSWERED[end])


def _pieces(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(_CHUNK):
            yield piece


def _reason(error: Exception) -> ArgosyError:
    if isinstance(error, ArgosyError):
        return error
    _LOG.error("a batch failed unexpectedly", exc_info=error)
    return Internal(
        f"Something went wrong in Argosy itself ({type(error).__name__}: {error}). The worker's log has the details.",
        code="internal_error",
    )
