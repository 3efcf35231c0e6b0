"""Tables of capacity: where more must not be promised than there is, and the limits that wait for it."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, String, Table

from argosy.runtime import metadata

capacity_switches = Table(
    "capacity_switches",
    metadata,
    Column("deployment_id", ForeignKey("deployments.id"), primary_key=True),
    Column("waitlist", Boolean, nullable=False),
    Column("tokens_per_minute", BigInteger),  # what an administrator says it can do; absent: as measured
    Column("changed_at", BigInteger, nullable=False),
)

limit_waitlist = Table(
    "limit_waitlist",
    metadata,
    Column("id", String(40), primary_key=True),
    # The order of asking: given out under the lock that only one change of limits holds at a time.
    Column("number", BigInteger, nullable=False, unique=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False, index=True),
    # The limit that is wanted, as in rate_limits.
    Column("scope", String(10), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    Column("state", String(10), nullable=False, index=True),  # waiting, granted or withdrawn
    Column("asked_by", String(40), nullable=False),  # a key's id
    Column("asked_at", BigInteger, nullable=False),
    Column("decided_by", String(40)),  # a key's id; absent: the platform, once there was capacity
    Column("decided_at", BigInteger),
)
