"""Tables of serving: what is wanted (deployments, and the versions of each) and what runs (replicas)."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, String, Table, Text

from argosy.runtime import metadata

deployments = Table(
    "deployments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("project_id", String(64), ForeignKey("projects.id"), nullable=False),
    Column("model", String(255), nullable=False, unique=True),
    Column("version", Integer, nullable=False),  # the one that is wanted
    Column("replicas", Integer, nullable=False),  # how many engines are to share its requests
    Column("state", String(16), nullable=False),
    Column("desired", String(16), nullable=False),
    Column("detail", JSON, nullable=False),
    Column("error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("idle_unload_s", Integer),  # unload after this long without a request; never if it is absent
    Column("asked_us", BigInteger),  # when a request last found it unloaded
    Column("dedicated_to", String(64)),  # the one project that may use it, and pays for its engines' time
)

# What a deployment is to be served with. Numbered from 1; a row is never changed, but for how it turned out.
deployment_versions = Table(
    "deployment_versions",
    metadata,
    Column("deployment_id", String(64), ForeignKey("deployments.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("engine", String(32), nullable=False),
    Column("quantisation", String(16)),  # absent: the best that fitting finds
    Column("provider", String(40)),
    Column("provider_model", String(200)),
    Column("fit", JSON),  # what was measured, and the file that was chosen
    Column("error", Text),  # why it could not be served
    Column("created_at", BigInteger, nullable=False),
)

replicas = Table(
    "replicas",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("deployment_id", String(64), ForeignKey("deployments.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("born", BigInteger, nullable=False),  # with the pid it names one process for ever
    Column("url", String(255)),
    Column("state", String(16), nullable=False, index=True),  # the gateway's routes: all that are ready
    Column("adapters", JSON, nullable=False),  # names of model versions, in the order of their indexes in requests
    Column("context_length", Integer, nullable=False),
    Column("error", Text),
    Column("started_at", BigInteger, nullable=False),
)

# What an engine that is dedicated to a project has run in a stretch of time, until that is over and billed.
engine_windows = Table(
    "engine_windows",
    metadata,
    Column("replica_id", String(64), primary_key=True),
    Column("window", BigInteger, primary_key=True),  # its number since 1970
    Column("deployment_id", String(64), nullable=False),
    Column("project_id", String(64), nullable=False),  # who pays
    Column("model", String(255), nullable=False),
    Column("version", Integer, nullable=False),
    Column("from_us", BigInteger, nullable=False),
    Column("to_us", BigInteger, nullable=False),
    Column("price_version", String(40), nullable=False),  # the price when it began
)
