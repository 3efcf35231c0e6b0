"""Tables of funds, what processes have leased of them, and the credits that fill those that are paid ahead."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from argosy.runtime import metadata

funds = Table(
    "funds",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("organization_id", ForeignKey("organizations.id"), nullable=False),
    # "budget": a bound, all that apply to a request must have room for it. "prepaid": money, exactly one pays for it.
    Column("kind", String(10), nullable=False),
    # "organization", "project", "key", or for what is prepaid also "model"; then whose it is: an id or a model's name.
    Column("scope", String(20), nullable=False),
    Column("subject", String(200), nullable=False),
    # "month": `spent` begins at zero with each month of UTC. "none": it never does.
    Column("period", String(10), nullable=False),
    Column("period_start", BigInteger, nullable=False),
    # Whether requests are refused at its end, or it is only told.
    Column("hard", Boolean, nullable=False),
    Column("currency", String(3), nullable=False),
    # Micro-units. What is free is `allowed` less `spent` less what is still out of all its leases.
    Column("allowed", BigInteger, nullable=False),
    Column("spent", BigInteger, nullable=False, server_default="0"),
    # Percents of `allowed` at which somebody is told.
    Column("thresholds", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("organization_id", "kind", "scope", "subject"),
)

fund_leases = Table(
    "fund_leases",
    metadata,
    Column("fund_id", ForeignKey("funds.id", ondelete="CASCADE"), primary_key=True),
    # Who spends it: the folder of an API process's journal, so that whoever settles that journal can end the lease.
    Column("holder", String(80), primary_key=True),
    # Micro-units that are out: given, less what came back, less what of it was posted as spent.
    Column("outstanding", BigInteger, nullable=False),
    # Raised by its holder again and again: a lease whose beat stands still is ended by others.
    Column("beat", BigInteger, nullable=False),
)

fund_credits = Table(
    "fund_credits",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("fund_id", ForeignKey("funds.id"), nullable=False),
    # "top_up": money that was paid. "grant": money that was given.
    Column("kind", String(10), nullable=False),
    Column("note", String(200), nullable=False),
    # Micro-units: as it was, and what is left of it. What expired is taken from what is left.
    Column("amount", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    # Which of the fund's credits it is, from 1 on: the order in which they came, whatever the clock did.
    Column("position", Integer, nullable=False),
    # How much of it expired unspent, and when that was found: from then on it is expired, whatever the clock says.
    Column("expired", BigInteger, nullable=False, server_default="0"),
    Column("expired_at", BigInteger),
    # What the fund held just after it came: alerts count from there.
    Column("level", BigInteger, nullable=False, server_default="0"),
    Index(None, "fund_id", "remaining"),
)
