"""Whether a project's answers are kept. A project without a row has said nothing: then they are not."""

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table

from argosy.runtime import metadata

gateway_cache_modes = Table(
    "gateway_cache_modes",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("mode", String(10), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
