"""All SQL about deployments, their versions, and replicas, which serve all projects: a base model is served once."""

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from argosy.core import Conflict, NotFound, new_id, now, now_us
from argosy.runtime import Transaction, bump_version
from argosy.serving.tables import deployment_versions as versions
from argosy.serving.tables import deployments, replicas
from argosy.serving.versions import PROVIDER, DeploymentVersion, Spec

_WITH_SPEC = select(
    deployments, *(versions.c[name] for name in ("engine", "quantisation", "provider", "provider_model"))
).join(
    versions,
    (versions.c.deployment_id == deployments.c.id) & (versions.c.number == deployments.c.version),
)


@dataclass(frozen=True)
class Deployment:
    """A base model that is to be served, and how far that is."""

    id: str
    project_id: str
    """Who asked for it."""
    model: str
    version: int
    """Number of the version that is wanted."""
    spec: Spec
    """Of that version."""
    replicas: int
    """How many engines are to share its requests."""
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
    dedicated_to: str | None = None
    """The one project that may use it, and pays for its engines' time; None is every project."""


@dataclass(frozen=True)
class ReplicaRow:
    """One engine process as others see it."""

    id: str
    deployment_id: str
    version: int
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


def want_deployment(
    tx: Transaction,
    project_id: str,
    model: str,
    spec: Spec,
    idle_unload_s: int | None = None,
    replicas: int | None = None,
    dedicated_to: str | None = None,
) -> Deployment:
    """Ask for a model to be served: new, as a new version, again after it was stopped or failed, or as it runs already.

    ``idle_unload_s``: None leaves it as it is, 0 is never. ``replicas``: None leaves their number, 1 at first.
    ``dedicated_to``: None leaves it as it is, empty is every project.
    """
    row = tx.execute(_WITH_SPEC.where(deployments.c.model == model)).one_or_none()
    if row is None:
        fields: dict[str, Any] = {
            "id": (made := new_id("dep_")),
            "project_id": project_id,
            "model": model,
            "created_at": now(),
        }
        rest = {"version": 1, "replicas": replicas or 1, "idle_unload_s": idle_unload_s or None}
        fields["dedicated_to"] = dedicated_to or None
        tx.execute(insert(deployments).values(**fields, **rest, **_fresh(spec)))
        add_version(tx, made, spec)
        bump_version(tx)
        return find_deployment(tx, made)
    found = _deployment(row)
    values: dict[str, Any] = {}
    if idle_unload_s is not None and found.idle_unload_s != (idle_unload_s or None):
        values["idle_unload_s"] = idle_unload_s or None
    if replicas is not None and found.replicas != replicas:
        values["replicas"] = replicas
    if dedicated_to is not None and found.dedicated_to != (dedicated_to or None):
        values["dedicated_to"] = dedicated_to or None
    if spec != found.spec:
        values |= _moved(found, add_version(tx, found.id, spec), spec)
    elif found.desired == "stopped" or found.state == "failed":
        values |= _fresh(spec)
    if not values:
        return found
    tx.execute(update(deployments).where(deployments.c.id == found.id).values(values))
    bump_version(tx)
    return find_deployment(tx, found.id)


def roll_back(tx: Transaction, deployment_id: str, number: int | None = None) -> Deployment:
    """Have an earlier version served again: ``number``, or the last one before this that did not fail.

    Raises NotFound for a number that it never had, Conflict if there is nothing to go back to.
    """
    found = find_deployment(tx, deployment_id)
    known = {version.number: version for version in list_versions(tx, found.id)}
    if number is None:
        number = max((one for one in known if one < found.version and known[one].error is None), default=None)
        if number is None:
            raise Conflict(
                f"'{found.model}' has no version before {found.version} to go back to.", code="no_earlier_version"
            )
    if number not in known:
        raise NotFound(
            f"'{found.model}' has no version {number}. It has {', '.join(map(str, known))}.", code="version_not_found"
        )
    if number != found.version:
        values = _moved(found, number, known[number].spec)
        tx.execute(update(deployments).where(deployments.c.id == found.id).values(values))
        bump_version(tx)
    return find_deployment(tx, found.id)


def give_up_version(tx: Transaction, deployment_id: str, number: int, error: str, serving: int) -> Deployment:
    """A version could not be served while engines of another still are: these are what is wanted again."""
    set_outcome(tx, deployment_id, number, error=error)
    tx.execute(update(deployments).where(deployments.c.id == deployment_id).values(version=serving))
    refused = {"version": number, "error": error}
    set_state(tx, deployment_id, "ready", rollout=None, refused=refused)
    bump_version(tx)
    return find_deployment(tx, deployment_id)


def _moved(found: Deployment, number: int, spec: Spec) -> dict[str, Any]:
    """The columns of a deployment that moves to another version. What answers goes on until its successor does."""
    values: dict[str, Any] = {"version": number, "updated_at": now()}
    answers = found.desired == "running" and found.state in ("ready", "idle")
    if not answers or PROVIDER in (spec.engine, found.spec.engine):
        return values | _fresh(spec)
    return values


def _fresh(spec: Spec) -> dict[str, Any]:
    return {
        "state": "ready" if spec.engine == PROVIDER else "pulling",
        "desired": "running",
        "detail": {},
        "error": None,
        "updated_at": now(),
    }


def add_version(tx: Transaction, deployment_id: str, spec: Spec) -> int:
    """Record the next version; returns its number. The deployment does not change by it."""
    last = tx.execute(select(func.max(versions.c.number)).where(versions.c.deployment_id == deployment_id)).scalar()
    number = int(last or 0) + 1
    tx.execute(insert(versions).values(deployment_id=deployment_id, number=number, created_at=now(), **asdict(spec)))
    return number


def list_versions(tx: Transaction, deployment_id: str) -> list[DeploymentVersion]:
    """All versions of a deployment, oldest first."""
    query = select(versions).where(versions.c.deployment_id == deployment_id).order_by(versions.c.number)
    return [DeploymentVersion(row.number, _spec(row), row.fit, row.error, row.created_at) for row in tx.execute(query)]


def set_outcome(
    tx: Transaction, deployment_id: str, number: int, *, fit: dict[str, Any] | None = None, error: str | None = None
) -> None:
    """Record how serving a version turned out: what it was fitted with, or why it failed."""
    where = (versions.c.deployment_id == deployment_id) & (versions.c.number == number)
    values: dict[str, Any] = {"error": error} if fit is None else {"fit": fit, "error": error}
    tx.execute(update(versions).where(where).values(values))


def stop_deployment(tx: Transaction, deployment_id: str) -> Deployment:
    """Ask for it to be drained and stopped. Raises NotFound."""
    found = find_deployment(tx, deployment_id)
    if found.desired != "stopped":
        values = {"desired": "stopped", "updated_at": now()} | (
            {"state": "stopped"} if found.spec.engine == PROVIDER else {}
        )
        tx.execute(update(deployments).where(deployments.c.id == found.id).values(values))
        bump_version(tx)
    return find_deployment(tx, deployment_id)


def find_deployment(tx: Transaction, name: str) -> Deployment:
    """By id or by the model's name. Raises NotFound."""
    where = deployments.c.id if name.startswith("dep_") else deployments.c.model
    row = tx.execute(_WITH_SPEC.where(where == name)).one_or_none()
    if row is None:
        raise no_such_deployment(name)
    return _deployment(row)


def no_such_deployment(name: str) -> NotFound:
    """What is said of one that is not there, or is others' alone."""
    return NotFound(
        f"There is no deployment '{name}'. List them with 'argosy deployments', or make one with 'argosy deploy'.",
        code="deployment_not_found",
    )


def list_deployments(tx: Transaction) -> list[Deployment]:
    """All of the platform, oldest first."""
    return [_deployment(row) for row in tx.execute(_WITH_SPEC.order_by(deployments.c.id))]


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
    """The replicas that answer now, oldest first, each with its deployment's ``model`` and whom that is dedicated to,
    and its version's ``engine``.
    """
    ready = (
        select(replicas, deployments.c.model, deployments.c.dedicated_to, versions.c.engine)
        .join(deployments, deployments.c.id == replicas.c.deployment_id)
        .join(
            versions,
            (versions.c.deployment_id == replicas.c.deployment_id) & (versions.c.number == replicas.c.version),
        )
        .where(replicas.c.state == "ready")
        .order_by(replicas.c.id)
    )
    return list(tx.execute(ready))


def fitted_files(tx: Transaction) -> dict[tuple[str, int], str]:
    """The file that each version of each deployment is served from, by the deployment's id and the version's number."""
    fitted = select(versions.c.deployment_id, versions.c.number, versions.c.fit).where(versions.c.fit.is_not(None))
    found = {(row.deployment_id, row.number): row.fit for row in tx.execute(fitted)}
    return {place: str(fit.get("file", "")) for place, fit in found.items() if fit}


def _deployment(row: Row[Any]) -> Deployment:
    fields = {name: value for name, value in row._mapping.items() if name in deployments.c}
    return Deployment(spec=_spec(row), **fields)


def _spec(row: Any) -> Spec:
    """The spec in a row that has a version's columns."""
    return Spec(row.engine, row.quantisation, row.provider, row.provider_model)
