"""From a file as it was uploaded to a dataset version that never changes."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from argosy.core import Invalid
from argosy.datasets.formats import Message
from argosy.datasets.store import DatasetVersion, add_dataset_version, find_file
from argosy.datasets.validation import Report, validate_sft
from argosy.runtime import Blobs, Database

_CHUNK = 1 << 20


def freeze(database: Database, blobs: Blobs, project_id: str, file_id: str) -> DatasetVersion:
    """Check a training file and store its rows, each as ``{"messages": [...]}`` on a line, whatever shape they had.

    Freezing a file again gives the same version. No transaction is open while the file is read, as that takes
    seconds for a large one. Raises NotFound for the file, Invalid with all problems in ``details``, or OutOfSpace.
    """
    with database.read() as tx:
        file = find_file(tx, project_id, file_id)
    with tempfile.TemporaryFile(dir=_scratch(blobs)) as rows:
        report = validate_sft(blobs.path(file.digest), lambda messages: _write(rows, messages))
        if not report.valid:
            raise _refused(file.filename, report)
        rows.seek(0)
        digest, _ = blobs.put(_chunks(rows))
    with database.write() as tx:
        return add_dataset_version(tx, project_id, file_id, digest, report.format, report.rows)


def _scratch(blobs: Blobs) -> Path:
    blobs.root.mkdir(parents=True, exist_ok=True)
    return blobs.root


def _write(rows: IO[bytes], messages: list[Message]) -> None:
    rows.write(msgspec.json.encode({"messages": messages}) + b"\n")


def _chunks(rows: IO[bytes]) -> Iterator[bytes]:
    while chunk := rows.read(_CHUNK):
        yield chunk


def _refused(filename: str, report: Report) -> Invalid:
    first = report.problems.shown[0]
    place = f"line {first.line}: " if first.line else ""
    more = f" There are {report.problems.count - 1} more problems." if report.problems.count > 1 else ""
    return Invalid(
        f"'{filename}' cannot be trained on: {place}{first.message}{more}",
        code="invalid_training_file",
        param="training_file",
        details=report.to_json()["problems"],
    )
