"""Tables of the catalog: models that were made or imported here, accepted licences, providers, aliases."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, String, Table

from argosy.runtime import metadata

# A row is never changed: what answers under a name stays what it was. Base models are cards, not rows.
model_versions = Table(
    "model_versions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False, index=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("base", String(80), nullable=False),
    # SHA-256 of the adapter file, which is also its place among the blobs.
    Column("digest", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("lineage", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # For the reconciler: the adapters of a base in the order in which its engine loads them.
    Index("ix_model_versions_base_created_at_id", "base", "created_at", "id"),
)

# Written once: who accepted which terms, and when. Terms of another version are accepted anew.
licence_acceptances = Table(
    "licence_acceptances",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("licence", String(64), primary_key=True),
    # As on the licence's card, empty where its text carries none.
    Column("version", String(40), primary_key=True),
    Column("key_id", ForeignKey("api_keys.id"), nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
)

# Serves all projects, as deployments do; the project is the one that added it.
providers = Table(
    "providers",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("name", String(40), nullable=False, unique=True),
    Column("base_url", String(400), nullable=False),
    Column("auth", String(20), nullable=False),
    Column("private", Boolean, nullable=False),
    # Sealed by the vault, whose key is not in the database.
    Column("secret", LargeBinary),
    Column("hint", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    # Requests that it is sent at once, by each API process.
    Column("in_flight_max", Integer),
    # How a stream that broke is carried on, see `argosy.catalog.provider.Prefill`.
    Column("prefill", String(10), nullable=False, server_default="none"),
)

# What shows a hub that this project may read a gated or private repository.
hub_tokens = Table(
    "hub_tokens",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("hub", String(20), primary_key=True),
    # Sealed by the vault, as providers' keys are.
    Column("secret", LargeBinary, nullable=False),
    Column("hint", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

# A name that a project moves from one model to another. What it stands for is looked up with every request.
aliases = Table(
    "aliases",
    metadata,
    Column("project_id", ForeignKey("projects.id"), primary_key=True),
    Column("name", String(100), primary_key=True),
    Column("target", String(200), nullable=False),
    Column("moved_at", BigInteger, nullable=False),
)

# Cards of models that were imported here; those that ship are files. The project is the one that imported it.
imported_cards = Table(
    "imported_cards",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("card", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
