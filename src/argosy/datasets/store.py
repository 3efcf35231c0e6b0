"""All SQL about files and dataset versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import case, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from argosy.core import NotFound, new_id, now
from argosy.datasets.tables import dataset_versions, files
from argosy.runtime import Transaction


@dataclass(frozen=True)
class File:
    """An uploaded file."""

    id: str
    project_id: str
    filename: str
    purpose: str
    bytes: int
    digest: str
    """SHA-256 of the content; `Blobs.path` finds it by this."""
    created_at: int
    """Unix seconds."""


@dataclass(frozen=True)
class DatasetVersion:
    """The rows of a training file as they were when a job began: canonical, and never changed."""

    id: str
    project_id: str
    file_id: str
    digest: str
    """SHA-256 of the canonical rows; `Blobs.path` finds them by this."""
    format: str
    """How the rows were written in the file, such as "messages"."""
    row_count: int
    created_at: int
    """Unix seconds."""


def add_file(tx: Transaction, project_id: str, filename: str, purpose: str, size_bytes: int, digest: str) -> File:
    """Record a file whose content is stored already."""
    file = File(new_id("file-"), project_id, filename, purpose, size_bytes, digest, now())
    tx.execute(insert(files).values(**vars(file)))
    return file


def find_file(tx: Transaction, project_id: str, file_id: str) -> File:
    """The project's file. Raises NotFound if there is none, it was deleted, or it is another project's."""
    mine = _FILE.where(files.c.project_id == project_id, files.c.id == file_id, files.c.deleted_at.is_(None))
    found = tx.execute(mine).one_or_none()
    if found is None:
        raise NotFound(f"There is no file '{file_id}' in this project.", code="file_not_found", param="file_id")
    return File(*found)


def list_files(
    tx: Transaction,
    project_id: str,
    *,
    limit: int,
    after: str | None = None,
    purposes: Sequence[str] | None = None,
    order: Literal["asc", "desc"] = "desc",
) -> list[File]:
    """Up to ``limit`` of the project's files that follow the file ``after``, by creation time; None: any purpose."""
    query = _FILE.where(files.c.project_id == project_id, files.c.deleted_at.is_(None))
    if purposes is not None:
        query = query.where(files.c.purpose.in_(purposes))
    if after is not None:
        query = query.where(files.c.id > after if order == "asc" else files.c.id < after)
    column = files.c.id
    return [File(*row) for row in tx.execute(query.order_by(getattr(column, order)()).limit(limit))]


def delete_file(tx: Transaction, project_id: str, file_id: str) -> None:
    """Forget a file. Dataset versions made from it stay, as models were made of them. Raises NotFound."""
    find_file(tx, project_id, file_id)
    tx.execute(update(files).where(files.c.project_id == project_id, files.c.id == file_id).values(deleted_at=now()))


def stored_byte_seconds(tx: Transaction, start: int, end: int) -> dict[str, int]:
    """Bytes times seconds of the files that each project had from ``start`` to before ``end`` (unix seconds)."""
    came, went = files.c.created_at, func.coalesce(files.c.deleted_at, end)
    seconds = case((went < end, went), else_=end) - case((came > start, came), else_=start)
    sums = select(files.c.project_id, func.sum(files.c.bytes * seconds)).where(came < end, went > start)
    return {project: int(total) for project, total in tx.execute(sums.group_by(files.c.project_id)) if total}


def add_dataset_version(
    tx: Transaction, project_id: str, file_id: str, digest: str, format_: str, row_count: int
) -> DatasetVersion:
    """Record the canonical rows of a file, or return the record that there is of them already."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    made = DatasetVersion(new_id("dsv_"), project_id, file_id, digest, format_, row_count, now())
    tx.execute(dialect.insert(dataset_versions).values(**vars(made)).on_conflict_do_nothing())
    same = _VERSION.where(
        dataset_versions.c.project_id == project_id,
        dataset_versions.c.file_id == file_id,
        dataset_versions.c.digest == digest,
    )
    return DatasetVersion(*tx.execute(same).one())


def find_dataset_version(tx: Transaction, project_id: str, version_id: str) -> DatasetVersion:
    """The project's dataset version. Raises NotFound."""
    mine = _VERSION.where(dataset_versions.c.project_id == project_id, dataset_versions.c.id == version_id)
    found = tx.execute(mine).one_or_none()
    if found is None:
        raise NotFound(f"There is no dataset version '{version_id}' in this project.", code="dataset_not_found")
    return DatasetVersion(*found)


_FILE = select(*(column for column in files.c if column.name != "deleted_at"))
_VERSION = select(*dataset_versions.c)
