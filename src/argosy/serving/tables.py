"""Tables of serving: what is wanted (deployments) and what runs (replicas)."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, String, Table, Text

from argosy.runtime import metadata

deployments = Table(
    "deployments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("project_id", String(64), ForeignKey("projects.id"), nullable=False),
    Column("model", String(255), nullable=False, unique=True),
    Column("engine", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("desired", String(16), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("idle_unload_s", Integer),  # unload after this long without a request; never if it is absent
    Column("asked_us", BigInteger),  # when a request last found it unloaded
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("deployment_id", String(64), ForeignKey("deployments.id"), nullable=False, index=True),
    Column("pid", Integer, nullable=False),
    Column("born", BigInteger, nullable=False),  # with the pid it names one process for ever
    Column("url", String(255)),
    Column("state", String(16), nullable=False, index=True),  # the gateway's routes: all that are ready
    Column("adapters", JSON, nullable=False),  # names of model versions, in the order of their indexes in requests
    Column("context_length", Integer, nullable=False),
    Column("error", Text),
    Column("started_at", BigInteger, nullable=False),
)
