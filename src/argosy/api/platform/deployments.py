"""``/v1/deployments``: base models that this platform is to serve, and how far each is."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from argosy import billing, serving
from argosy.api.billing_scope import visible_project, visible_projects
from argosy.api.context import AdminCaller, InferenceCaller, PlatformParts
from argosy.api.platform.price_bodies import NewCost, NewPrices, date_of, terms_wire
from argosy.billing.prices import versions_of
from argosy.core import Conflict
from argosy.identity import Caller
from argosy.runtime import Transaction
from argosy.serving import Deployment, DeploymentVersion, ReplicaRow

router = APIRouter(prefix="/v1/deployments", tags=["deployments"])


class DeploymentPrices(NewPrices):
    """What a call costs here, and what the provider asks for it."""

    effective_from: int | str | None = None
    """Unix seconds or ``2027-01-01T00:00:00Z``; left out, at once. Until then, what holds now does."""
    cost: NewCost | None = None
    """What the provider asks, from then on too; left out, what is known of it stays, or its card's list begins."""


class NewDeployment(BaseModel):
    """A base model to serve."""

    model_config = ConfigDict(extra="forbid")

    model: str
    """The name of a card in the catalog, or ``echo``, or any name for a provider's model."""
    engine: str | None = None
    """``llama_cpp`` or ``echo``; left out, the one that fits the model."""
    provider: str | None = None
    """A provider that was added; left out, the one on the model's card, if any."""
    provider_model: str | None = None
    """What the provider calls the model; left out, the same name."""
    idle_unload_s: int | None = Field(default=None, ge=0)
    """Unload its engine after so many seconds without a request; the next one loads it again. 0: never; left out: as
    it was.
    """
    replicas: int | None = Field(default=None, ge=1, le=16)
    """How many engines share its requests, and the cores; left out, as it was, or one."""
    quantisation: str | None = Field(default=None, max_length=16)
    """The form of its weights, such as ``Q8_0``, or ``best``, as fitting finds; left out, as it was, or the best."""
    prices: DeploymentPrices | None = None
    """What a call costs here; left out, what the card says."""
    dedicated_to: str | None = Field(default=None, max_length=64)
    """The one project that may use it, and pays for its engines' seconds; empty: every project; left out: as it was."""


class Target(BaseModel):
    """Where to go back to."""

    model_config = ConfigDict(extra="forbid")

    version: int | None = Field(default=None, ge=1)
    """Left out, the last one before the present that did not fail."""


@router.post("")
def create_deployment(body: NewDeployment, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Ask for a model to be pulled, fitted and started. Returns at once; repeat it to retry after a failure.

    For a model that is served already, what differs becomes a new version, which takes over when it is ready.
    """
    with platform.database.write() as tx:
        provided = serving.Provided(body.provider, body.provider_model or body.model) if body.provider else None
        prices = body.prices.terms() if body.prices else None
        begins = date_of(body.prices.effective_from) if body.prices else None
        cost = body.prices.cost.terms() if body.prices and body.prices.cost else None
        _refuse_others(tx, caller, body.model)
        made = serving.deploy(
            tx, caller.project_id, body.model, body.engine, provided, prices,
            body.idle_unload_s, body.replicas, body.quantisation, begins, cost,
            body.dedicated_to and visible_project(tx, caller, body.dedicated_to),
        )  # fmt: skip
        return _wire(tx, made, serving.list_replicas(tx, made.id), admin=True)


@router.get("")
def list_deployments(platform: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """List all deployments that the project may use: all but those that are dedicated to others."""
    with platform.database.read() as tx:
        rows = serving.list_replicas(tx)
        mine, admin = visible_projects(tx, caller), caller.may("admin")
        found = [one for one in serving.list_deployments(tx) if one.dedicated_to in (None, *mine)]
        data = [_wire(tx, one, rows, admin=admin) for one in found]
    return {"object": "list", "data": data, "has_more": False}


@router.get("/{deployment}")
def retrieve_deployment(deployment: str, platform: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """One deployment, by its id or by its model's name."""
    with platform.database.read() as tx:
        found = _find(tx, caller, deployment)
        return _wire(tx, found, serving.list_replicas(tx, found.id), admin=caller.may("admin"))


@router.get("/{deployment}/versions")
def list_versions(deployment: str, platform: PlatformParts, caller: InferenceCaller) -> dict[str, Any]:
    """All that it was ever to be served with, oldest first, and what was measured."""
    with platform.database.read() as tx:
        found = _find(tx, caller, deployment)
        data = [_version(one, wanted=one.number == found.version) for one in serving.list_versions(tx, found.id)]
    return {"object": "list", "data": data, "has_more": False}


@router.post("/{deployment}/rollback")
def roll_back(deployment: str, body: Target, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Serve an earlier version again. The present one answers until that is ready."""
    with platform.database.write() as tx:
        found = serving.roll_back(tx, _find(tx, caller, deployment).id, body.version)
        return _wire(tx, found, serving.list_replicas(tx, found.id), admin=True)


@router.get("/{deployment}/logs")
def read_logs(
    deployment: str,
    platform: PlatformParts,
    caller: AdminCaller,
    lines: Annotated[int, Query(ge=1, le=10_000)] = 200,
) -> dict[str, Any]:
    """The last lines that its engines wrote. They hold no prompts and no answers."""
    with platform.database.read() as tx:
        found = _find(tx, caller, deployment)
    return {"object": "deployment.logs", "lines": serving.last_lines(platform.settings.home, found.model, lines)}


@router.delete("/{deployment}")
def delete_deployment(deployment: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Finish the requests in flight, then stop. Its adapters stay, and answer again when it is deployed again."""
    with platform.database.write() as tx:
        found = serving.stop_deployment(tx, _find(tx, caller, deployment).id)
        return _wire(tx, found, serving.list_replicas(tx, found.id), admin=True)


def _find(tx: Transaction, caller: Caller, deployment: str) -> Deployment:
    """A deployment that is not dedicated to others. Raises NotFound."""
    found = serving.find_deployment(tx, deployment)
    if found.dedicated_to not in (None, *visible_projects(tx, caller)):
        raise serving.no_such_deployment(deployment)
    return found


def _refuse_others(tx: Transaction, caller: Caller, model: str) -> None:
    mine = visible_projects(tx, caller)
    if any(one.model == model and one.dedicated_to not in (None, *mine) for one in serving.list_deployments(tx)):
        raise Conflict(f"'{model}' is dedicated to others. Choose another model.", code="deployment_dedicated")


def _wire(tx: Transaction, deployment: Deployment, rows: list[ReplicaRow], *, admin: bool) -> dict[str, Any]:
    """The wire's shape. Only what a caller may use: no addresses, no process ids; what a provider asks is for
    administrators.
    """
    state = deployment.state
    if deployment.desired == "stopped" and state != "stopped":
        state = "draining"
    price = billing.current_prices(tx).get(deployment.model)
    cost = billing.current_costs(tx).get((deployment.spec.provider or "", deployment.model)) if admin else None
    return {
        "id": deployment.id,
        "object": "deployment",
        "model": deployment.model,
        **asdict(deployment.spec),
        "version": deployment.version,
        "state": state,
        "error": deployment.error,
        "detail": deployment.detail,
        "prices": price and terms_wire(price),
        "prices_to_come": [
            terms_wire(one) | {"effective_from": one.effective_from}
            for one in versions_of(tx, deployment.model)
            if one.effective_from > billing.price_time()
        ],
        **({"cost": terms_wire(cost)} if cost else {}),
        "replicas_wanted": deployment.replicas,
        "replicas": [
            {
                "id": row.id,
                "version": row.version,
                "state": row.state,
                "adapters": len(row.adapters),
                "error": row.error,
            }
            for row in rows
            if row.deployment_id == deployment.id
        ],
        "idle_unload_s": deployment.idle_unload_s,
        "dedicated_to": deployment.dedicated_to,
        "created_at": deployment.created_at,
        "updated_at": deployment.updated_at,
    }


def _version(version: DeploymentVersion, *, wanted: bool) -> dict[str, Any]:
    return {"object": "deployment.version", **asdict(version.spec), "version": version.number, "wanted": wanted,
            "fit": version.fit, "error": version.error, "created_at": version.created_at}  # fmt: skip
