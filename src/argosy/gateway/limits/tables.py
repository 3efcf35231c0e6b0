"""The table of rate limits: what an administrator allowed, and what was given out of it in the last minute."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, String, Table, UniqueConstraint

from argosy.runtime import metadata

rate_limits = Table(
    "rate_limits",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    # "project", "key" or "model"; then the subject is empty, the id of a key of the project, or a model's name.
    Column("scope", String(10), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    # Pairs of a second and the units given in it; the row's lock is what makes processes take turns.
    Column("requests_given", JSON, nullable=False),
    Column("tokens_given", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("project_id", "scope", "subject"),
)
