"""Tables of capture: what projects want kept, what is kept, and what people said of it.

Content is sealed with the vault's key; what is in plain columns holds no words of anybody.
"""

from sqlalchemy import BigInteger, Boolean, Column, Float, ForeignKey, Index, LargeBinary, String, Table, Text

from argosy.runtime import metadata

capture_settings = Table(
    "capture_settings",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    # JSON of a CaptureSpec; NULL: off.
    Column("spec", Text),
    Column("changed_at", BigInteger, nullable=False),
    # What was asked before this moment is not kept any more, in microseconds.
    Column("emptied_us", BigInteger, nullable=False),
    # How much is kept, changed in the transactions that add and delete: a bound need not count rows.
    Column("row_count", BigInteger, nullable=False),
    Column("byte_count", BigInteger, nullable=False),
)

captures = Table(
    "captures",
    metadata,
    # Of the request.
    Column("id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("key_id", String(40), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # As it was asked for, and who answered.
    Column("model", Text, nullable=False),
    Column("served_by", Text, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    # The mean of all ratings, -1 to 1; NULL: nobody rated it.
    Column("rating", Float),
    Column("corrected", Boolean, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    # For paging through a project's, and for its oldest.
    Index(None, "project_id", "created_at", "id"),
    # Serves forgetting what is old.
    Index(None, "expires_at"),
)

capture_feedback = Table(
    "capture_feedback",
    metadata,
    Column("request_id", ForeignKey("captures.id", ondelete="CASCADE"), primary_key=True),
    # One of each key: a second one takes its place.
    Column("key_id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("rating", Float, nullable=False),
    # Whether there is a correction among what is sealed.
    Column("corrects", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
