"""All SQL about deployments and replicas. Both are the platform's: a base model is served once, for all projects."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from argosy.core import NotFound, new_id, now, now_us
from argosy.runtime import Transaction, bump_version
from argosy.serving.tables import deployments, replicas

PROVIDER = "provider"
"""The engine of deployments that a provider answers for: there are no replicas, and nothing to reconcile."""


@dataclass(frozen=True)
class Deployment:
    """A base model that is to be served, and how far that is."""

    id: str
    project_id: str
    """Who asked for it."""
    model: str
    engine: str
    state: str
    """pulling | fitting | starting | ready | idle (unloaded until a request comes) | failed | stopped."""
    desired: str
    """running | stopped."""
    detail: dict[str, Any]
    """What a person wants to know: progress, the chosen quantisation, measured speed, file, adapters left out."""
    error: str | None
    created_at: int
    updated_at: int
    idle_unload_s: int | None = None
    """Seconds without a request after which its engine is unloaded; None is never."""
    asked_us: int | None = None
    """When a request last found it unloaded."""


@dataclass(frozen=True)
class ReplicaRow:
    """One engine process as others see it."""

    id: str
    deployment_id: str
    pid: int
    born: int
    url: str | None
    state: str
    """starting | ready | draining | dead."""
    adapters: list[str]
    """Names of model versions, in the order of their indexes in requests."""
    context_length: int
    error: str | None
    started_at: int


def want_provided(tx: Transaction, project_id: str, model: str, provider: str, provider_model: str) -> Deployment:
    """Have a provider answer for a model, from this transaction on."""
    want_deployment(tx, project_id, model, PROVIDER)
    detail = {"provider": provider, "provider_model": provider_model}
    values = {"state": "ready", "detail": detail, "updated_at": now()}
    tx.execute(update(deployments).where(deployments.c.model == model).values(values))
    bump_version(tx)
    return find_deployment(tx, model)


def want_deployment(
    tx: Transaction, project_id: str, model: str, engine: str, idle_unload_s: int | None = None
) -> Deployment:
    """Ask for a model to be served: new, again after it was stopped or failed, or unchanged if it runs already.

    ``idle_unload_s``: None leaves it as it is, 0 is never.
    """
    unload = {} if idle_unload_s is None else {"idle_unload_s": idle_unload_s or None}
    row = tx.execute(select(deployments).where(deployments.c.model == model)).one_or_none()
    if row is None:
        fields = {"id": new_id("dep_"), "project_id": project_id, "model": model, "created_at": now()}
        tx.execute(insert(deployments).values(**fields, **_fresh(engine), idle_unload_s=idle_unload_s or None))
    elif row.desired == "stopped" or row.state == "failed" or row.engine != engine:
        tx.execute(update(deployments).where(deployments.c.id == row.id).values(_fresh(engine) | unload))
    elif unload and row.idle_unload_s != unload["idle_unload_s"]:
        tx.execute(update(deployments).where(deployments.c.id == row.id).values(unload))
    else:
        return _deployment(row)
    bump_version(tx)
    return _deployment(tx.execute(select(deployments).where(deployments.c.model == model)).one())


def _fresh(engine: str) -> dict[str, Any]:
    return {
        "engine": engine,
        "state": "pulling",
        "desired": "running",
        "detail": {},
        "error": None,
        "updated_at": now(),
    }


def stop_deployment(tx: Transaction, deployment_id: str) -> Deployment:
    """Ask for it to be drained and stopped. Raises NotFound."""
    found = find_deployment(tx, deployment_id)
    if found.desired != "stopped":
        values = {"desired": "stopped", "updated_at": now()} | (
            {"state": "stopped"} if found.engine == PROVIDER else {}
        )
        tx.execute(update(deployments).where(deployments.c.id == found.id).values(values))
        bump_version(tx)
    return find_deployment(tx, deployment_id)


def find_deployment(tx: Transaction, name: str) -> Deployment:
    """By id or by the model's name. Raises NotFound."""
    where = deployments.c.id if name.startswith("dep_") else deployments.c.model
    row = tx.execute(select(deployments).where(where == name)).one_or_none()
    if row is None:
        raise NotFound(
            f"There is no deployment '{name}'. List them with 'argosy deployments', or make one with 'argosy deploy'.",
            code="deployment_not_found",
        )
    return _deployment(row)


def list_deployments(tx: Transaction) -> list[Deployment]:
    """All of the platform, oldest first."""
    return [_deployment(row) for row in tx.execute(select(deployments).order_by(deployments.c.id))]


def set_state(tx: Transaction, deployment_id: str, state: str, error: str | None = None, **detail: object) -> None:
    """Record how far a deployment is; ``detail`` is merged into what is known, None removes a member."""
    row = tx.execute(select(deployments.c.detail).where(deployments.c.id == deployment_id)).one()
    merged = {name: value for name, value in {**row.detail, **detail}.items() if value is not None}
    values = {"state": state, "error": error, "detail": merged, "updated_at": now()}
    tx.execute(update(deployments).where(deployments.c.id == deployment_id).values(values))


def ask_for(tx: Transaction, model: str) -> bool:
    """A request is there for a model that is unloaded: have it loaded. False if it is not unloaded."""
    idle = (deployments.c.model == model) & (deployments.c.state == "idle")
    if tx.execute(update(deployments).where(idle).values(asked_us=now_us())).rowcount == 0:
        return False
    bump_version(tx)
    return True


def retry_failed(tx: Transaction) -> None:
    """Give failed deployments another chance: a new worker may have what the last one lacked."""
    failed = (deployments.c.state == "failed") & (deployments.c.desired == "running")
    tx.execute(update(deployments).where(failed).values(state="starting", error=None))


def add_replica(tx: Transaction, row: ReplicaRow) -> None:
    """Record an engine process that was just started."""
    tx.execute(insert(replicas).values(**vars(row)))


def switch_replicas(tx: Transaction, ready_id: str, url: str, draining_id: str | None) -> None:
    """One replica takes over from another: from this transaction on, requests go to it."""
    tx.execute(update(replicas).where(replicas.c.id == ready_id).values(state="ready", url=url))
    if draining_id:
        tx.execute(update(replicas).where(replicas.c.id == draining_id).values(state="draining"))
    bump_version(tx)


def set_replica_state(tx: Transaction, replica_id: str, state: str, error: str | None = None) -> None:
    """Record that a replica drains or is dead; routes change with it."""
    tx.execute(update(replicas).where(replicas.c.id == replica_id).values(state=state, error=error))
    bump_version(tx)


def remove_replica(tx: Transaction, replica_id: str) -> None:
    """Forget a replica that was stopped as planned."""
    tx.execute(delete(replicas).where(replicas.c.id == replica_id))


def list_replicas(tx: Transaction, deployment_id: str | None = None) -> list[ReplicaRow]:
    """The replicas of one deployment, or of all, oldest first."""
    query = select(replicas).order_by(replicas.c.id)
    if deployment_id:
        query = query.where(replicas.c.deployment_id == deployment_id)
    return [ReplicaRow(**row._mapping) for row in tx.execute(query)]


def ready_replicas(tx: Transaction) -> list[Row[Any]]:
    """The replicas that answer now, oldest first, each with its deployment's ``model`` and ``engine``."""
    ready = (
        select(replicas, deployments.c.model, deployments.c.engine)
        .join(deployments, deployments.c.id == replicas.c.deployment_id)
        .where(replicas.c.state == "ready")
        .order_by(replicas.c.id)
    )
    return list(tx.execute(ready))


def _deployment(row: Row[Any]) -> Deployment:
    return Deployment(**row._mapping)
