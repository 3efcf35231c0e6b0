"""From a file as it was uploaded to a dataset version that never changes."""

from argosy.core import Invalid
from argosy.datasets.store import DatasetVersion, add_dataset_version, find_file
from argosy.datasets.validation import Report, canonical_rows, validate_sft
from argosy.runtime import Blobs, Database


def freeze(database: Database, blobs: Blobs, project_id: str, file_id: str) -> DatasetVersion:
    """Check a training file and store its rows, each as ``{"messages": [...]}`` on a line, whatever shape they had.

    Freezing a file again gives the same version. No transaction is open while the file is read, as that takes
    seconds for a large one. Raises NotFound for the file, Invalid with all problems in ``details``, or OutOfSpace.
    """
    with database.read() as tx:
        file = find_file(tx, project_id, file_id)
    path = blobs.path(file.digest)
    report = validate_sft(path)
    if not report.valid:
        raise _refused(file.filename, report)
    digest, _ = blobs.put(canonical_rows(path))
    with database.write() as tx:
        return add_dataset_version(tx, project_id, file_id, digest, report.format, report.rows)


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
