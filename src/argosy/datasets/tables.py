"""Tables of files and dataset versions."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, UniqueConstraint

from argosy.runtime import metadata

files = Table(
    "files",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("filename", String(255), nullable=False),
    Column("purpose", String(20), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    # SHA-256 of the content, which is its place among the blobs.
    Column("digest", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    # For paging through a project's files: ids sort by creation time.
    Index(None, "project_id", "id"),
)

# A row is never changed: a job's lineage points at it for good, even after the file is deleted.
dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("file_id", ForeignKey("files.id"), nullable=False),
    # SHA-256 of the canonical rows, which is also their place among the blobs.
    Column("digest", String(64), nullable=False),
    Column("format", String(20), nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # One version for each content, however often a job's step is repeated.
    UniqueConstraint("project_id", "file_id", "digest"),
)
