"""Tables of prices, usage, the ledger and invoices.

Rows are added and never changed, save `invoice_series`, `meter_marks`, `postings` and `ledger_head`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from argosy.runtime import metadata

_ROW_NUMBER = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only a column of exactly this type

price_versions = Table(
    "price_versions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("cached_input", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("training", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Unix seconds; 0: as it was made, which is what the version before writes.
    Column("effective_from", BigInteger, nullable=False, server_default="0"),
    # JSON, empty without: see `argosy.billing.prices.Tier`.
    Column("tiers", Text, nullable=False, server_default=""),
    # Percent off in a batch; NULL: the platform's.
    Column("batch_discount", Integer),
    # Of what is counted besides tokens, as JSON: name to micro-units per million units; empty for none.
    Column("measured", Text, nullable=False, server_default=""),
    UniqueConstraint("model", "version"),
)

cost_versions = Table(
    "cost_versions",
    metadata,
    Column("id", String(40), primary_key=True),
    # A name and no key: what was owed to a provider stays in the books when it is removed.
    Column("provider", String(200), nullable=False),
    Column("model", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("input", BigInteger, nullable=False),
    Column("cached_input", BigInteger, nullable=False),
    Column("output", BigInteger, nullable=False),
    Column("training", BigInteger, nullable=False),
    Column("tiers", Text, nullable=False, server_default=""),
    Column("measured", Text, nullable=False, server_default=""),
    Column("effective_from", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("provider", "model", "version"),
)

usage_events = Table(
    "usage_events",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("project_id", String(40), nullable=False),
    Column("key_id", String(40)),
    Column("kind", String(40), nullable=False),
    Column("model", String(200), nullable=False),
    Column("base_model", String(200), nullable=False),
    Column("price_version", ForeignKey("price_versions.id"), nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("finished_us", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("training_tokens", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("outcome", String(40), nullable=False),
    # What was charged for each quantity: the ledger's entries, kept here too so that bills add up without a join.
    Column("input_amount", BigInteger, nullable=False),
    Column("cached_input_amount", BigInteger, nullable=False),
    Column("output_amount", BigInteger, nullable=False),
    Column("training_amount", BigInteger, nullable=False),
    # The server's defaults let the table grow by a column without being written anew, and are for processes of the
    # version before, which may still post usage when the database is already migrated.
    Column("route", String(200), nullable=False, server_default=""),
    Column("attempts", Integer, nullable=False, server_default="1"),
    # Percent off the price: the amounts are what is left.
    Column("discount", Integer, nullable=False, server_default="0"),
    Column("batch_id", String(40)),
    # What a kept answer would have cost to make again.
    Column("saved_prompt_tokens", BigInteger, nullable=False, server_default="0"),
    Column("saved_completion_tokens", BigInteger, nullable=False, server_default="0"),
    Column("saved_amount", BigInteger, nullable=False, server_default="0"),
    # Who answered: a deployment's or a provider's name; and which version of the model that was.
    Column("target", String(200), nullable=False, server_default=""),
    Column("model_version", String(200), nullable=False, server_default=""),
    # Microseconds from `started_us` to the first of the answer that could go out; 0 where there was none.
    Column("first_token_us", BigInteger, nullable=False, server_default="0"),
    # Those of the completion's tokens that were reasoning, where the engine says so.
    Column("reasoning_tokens", BigInteger, nullable=False, server_default="0"),
    # The caller's `metadata`, as JSON; empty without.
    Column("tags", Text, nullable=False, server_default=""),
    # The prepaid fund that pays for it; empty if it is owed.
    Column("fund", String(40), nullable=False, server_default=""),
    # The tier whose rates it has, by its lower bound in prompt tokens; 0: the price's own rates.
    Column("tier", BigInteger, nullable=False, server_default="0"),
    # What the provider that answered is owed, and by which version of its price; empty for an engine of ours.
    Column("cost_version", String(40), nullable=False, server_default=""),
    Column("cost_amount", BigInteger, nullable=False, server_default="0"),
    # What else was counted, by name; how much of it, and what was charged for that.
    Column("measured", String(20), nullable=False, server_default=""),
    Column("measured_units", BigInteger, nullable=False, server_default="0"),
    Column("measured_amount", BigInteger, nullable=False, server_default="0"),
    # Which posting brought it, see `postings`: with the time at which it finished, this says on which invoice it is.
    # 0: posted by a version that did not count, see `invoice_items`.
    Column("posted", BigInteger, nullable=False, server_default="0"),
    # Serves the usage pages and the closing of a period.
    Index(None, "project_id", "finished_us"),
    # Finds what was posted after its period was closed; it grows at its end, so it costs posting next to nothing.
    Index(None, "posted", "finished_us"),
)

postings = Table(
    "postings",
    metadata,
    # One row, numbered 1. It is counted up under the ledger's lock, so a number that can be read has all below it
    # committed. Postings that cost nothing have no entries, so the ledger's own numbers would not tell them apart.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

meter_marks = Table(
    "meter_marks",
    metadata,
    # A meter that goes by the clock, and up to when it has counted.
    Column("name", String(20), primary_key=True),
    Column("until_us", BigInteger, nullable=False),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    Column("id", _ROW_NUMBER, primary_key=True, autoincrement=True),
    # The id of the usage event or invoice that caused it: with the constraint below, a second posting cannot happen.
    Column("transaction_id", String(80), nullable=False),
    Column("account", String(40), nullable=False),
    Column("project_id", String(40), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("model", String(200), nullable=False),
    Column("quantity", String(20), nullable=False),
    Column("usage_id", ForeignKey("usage_events.id")),
    # Who else it is about: an organization, a model's owner, a provider.
    Column("party", String(200), nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("transaction_id", "account", "quantity"),
    # Serves balances and the project's list of entries.
    Index(None, "project_id", "account", "id"),
    # Serves statements. Most entries are about nobody besides a project, and cost nothing here.
    Index(None, "party", "account", "id", sqlite_where=text("party <> ''"), postgresql_where=text("party <> ''")),
)

ledger_blocks = Table(
    "ledger_blocks",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("first_entry", BigInteger, nullable=False),
    Column("last_entry", BigInteger, nullable=False),
    # SHA-256 over the hash of the block before and this one's entries.
    Column("hash", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

ledger_head = Table(
    "ledger_head",
    metadata,
    # One row, numbered 1: the lock under which entries are numbered and chained.
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("last_entry", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    # Entries below are older than the chain.
    Column("first_entry", BigInteger, nullable=False),
)

invoice_series = Table(
    "invoice_series",
    metadata,
    # An organization; or, from the time when each project had invoices of its own, a project.
    Column("owner", String(40), primary_key=True),
    # "invoice" or "credit_note".
    Column("kind", String(20), primary_key=True, server_default="invoice"),
    # The last number given out.
    Column("last", Integer, nullable=False),
)

invoices = Table(
    "invoices",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("organization_id", String(40), nullable=False, server_default=""),
    # Empty, save on those of the time when each project had invoices of its own.
    Column("project_id", String(40), nullable=False),
    Column("number", Integer, nullable=False),
    Column("period_start", BigInteger, nullable=False),
    Column("period_end", BigInteger, nullable=False),
    # Numbers of postings. It has what finished in its period, and what finished earlier but was posted after
    # `posted_after`; of both, what was posted up to `posted_upto`.
    Column("posted_after", BigInteger, nullable=False, server_default="0"),
    Column("posted_upto", BigInteger, nullable=False, server_default="0"),
    Column("currency", String(3), nullable=False),
    # Micro-units: the sum of the lines; what of it was paid by credits and ahead; what is left; the tax on that; the
    # difference to the currency's smallest unit; and what is to be paid.
    Column("total", BigInteger, nullable=False),
    Column("covered_credits", BigInteger, nullable=False, server_default="0"),
    Column("covered_prepaid", BigInteger, nullable=False, server_default="0"),
    Column("subtotal", BigInteger, nullable=False, server_default="0"),
    Column("tax_name", String(40), nullable=False, server_default=""),
    # Hundredths of a percent.
    Column("tax_rate", Integer, nullable=False, server_default="0"),
    Column("tax", BigInteger, nullable=False, server_default="0"),
    Column("rounding", BigInteger, nullable=False, server_default="0"),
    Column("due", BigInteger, nullable=False, server_default="0"),
    Column("event_count", BigInteger, nullable=False),
    # As they were when it was closed, as JSON.
    Column("issuer", Text, nullable=False, server_default="{}"),
    Column("customer", Text, nullable=False, server_default="{}"),
    Column("language", String(2), nullable=False, server_default="en"),
    # The ledger's last block before it, and that block's hash.
    Column("anchor_block", BigInteger, nullable=False, server_default="0"),
    Column("anchor", String(64), nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("organization_id", "project_id", "number"),
)

invoice_lines = Table(
    "invoice_lines",
    metadata,
    Column("invoice_id", ForeignKey("invoices.id"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("project_id", String(40), nullable=False, server_default=""),
    # Names are copied: a project that is renamed afterwards does not change what was sent.
    Column("project_name", String(200), nullable=False, server_default=""),
    Column("model", String(200), nullable=False),
    Column("quantity", String(20), nullable=False),
    Column("price_version", ForeignKey("price_versions.id"), nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("unit_price", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("discount", Integer, nullable=False, server_default="0"),
    Column("tier", BigInteger, nullable=False, server_default="0"),
)

invoice_projects = Table(
    "invoice_projects",
    metadata,
    Column("invoice_id", ForeignKey("invoices.id"), primary_key=True),
    Column("project_id", String(40), primary_key=True),
    Column("project_name", String(200), nullable=False),
    Column("event_count", BigInteger, nullable=False),
    # Micro-units: the sum of its lines; and what of it credits and money paid ahead have paid.
    Column("total", BigInteger, nullable=False),
    Column("covered_credits", BigInteger, nullable=False),
    Column("covered_prepaid", BigInteger, nullable=False),
    Index(None, "project_id"),
)

invoice_items = Table(
    "invoice_items",
    metadata,
    # Only for usage that does not say where it was posted. Primary, so that no event can ever be on two invoices.
    Column("usage_id", ForeignKey("usage_events.id"), primary_key=True),
    # Checked at the end of the transaction: events are claimed first, then what was claimed is added up.
    Column(
        "invoice_id",
        ForeignKey("invoices.id", deferrable=True, initially="DEFERRED"),
        nullable=False,
        index=True,
    ),
)
