"""Table of stored responses. Rows are added and deleted, never changed."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, Text

from argosy.runtime import metadata

responses = Table(
    "responses",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    # Not a foreign key: the response that this one goes on from may be deleted, and the conversation then ends here.
    Column("previous_id", String(40)),
    Column("created_at", BigInteger, nullable=False),
    # JSON as it goes over the wire: it is only ever read whole.
    Column("input", Text, nullable=False),
    Column("body", Text, nullable=False),
    # Serves forgetting what is old.
    Index(None, "created_at"),
)
