"""Batches. Their lines' answers are files until the end, see `argosy.batches.results`."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table

from argosy.runtime import metadata

batches = Table(
    "batches",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    # Who asked, as it was then: its lines are asked and billed in this name.
    Column("organization_id", String(40), nullable=False),
    Column("organization_slug", String(64), nullable=False),
    Column("key_id", String(40), nullable=False),
    Column("status", String(20), nullable=False),
    Column("endpoint", String(40), nullable=False),
    Column("completion_window", String(10), nullable=False),
    Column("discount", Integer, nullable=False),  # percent, pinned when the batch was created
    Column("metadata", JSON(none_as_null=True)),
    Column("input_file", String(40), nullable=False),
    Column("input_digest", String(64), nullable=False),  # so that the batch goes on if the file is deleted
    Column("errors", JSON(none_as_null=True)),
    Column("output_file", String(40)),
    Column("error_file", String(40)),
    Column("total", Integer, nullable=False),
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    # When it came into each status, in unix seconds.
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("in_progress_at", BigInteger),
    Column("finalizing_at", BigInteger),
    Column("completed_at", BigInteger),
    Column("failed_at", BigInteger),
    Column("expired_at", BigInteger),
    Column("cancelling_at", BigInteger),
    Column("cancelled_at", BigInteger),
    Index(None, "project_id", "id"),  # listing one project's batches, newest first
    Index(None, "status", "project_id"),  # the worker's sweep over unfinished batches
)
