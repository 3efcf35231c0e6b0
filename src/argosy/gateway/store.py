"""All SQL of routes. They belong to an organization: its administrators write them, all of its projects use them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, insert, select
from sqlalchemy.exc import IntegrityError

from argosy.core import Conflict, NotFound, now
from argosy.gateway.route_spec import Routes, RouteSpec, read_spec, written
from argosy.gateway.tables import gateway_routes
from argosy.identity import organization_of
from argosy.runtime import Transaction, bump_version

_ROUTE = gateway_routes.c


@dataclass(frozen=True)
class StoredRoute:
    """One version of a route."""

    name: str
    version: int
    """Counts from 1."""
    spec: RouteSpec | None
    """None: with this version it was removed."""
    created_at: int
    """Unix seconds."""


def put_route(tx: Transaction, project_id: str, name: str, spec: RouteSpec | None) -> StoredRoute:
    """Make the next version of a route of the project's organization, unless it says what the present one says.

    None removes it. Raises Conflict if another one is written at the same time.
    """
    versions = route_versions(tx, project_id, name)
    if versions and versions[-1].spec == spec:
        return versions[-1]
    made = StoredRoute(name, len(versions) + 1, spec, now())
    row = {**vars(made), "spec": written(spec) if spec else None}
    try:
        tx.execute(insert(gateway_routes).values(organization_id=organization_of(tx, project_id).id, **row))
    except IntegrityError:
        raise Conflict(
            f"The route '{name}' is being changed by somebody else. Look at it, then try again.", code="route_changed"
        ) from None
    bump_version(tx)
    return made


def route_versions(tx: Transaction, project_id: str, name: str) -> list[StoredRoute]:
    """Every version of a route, oldest first; none if there has never been one of this name."""
    mine = (_ROUTE.organization_id == organization_of(tx, project_id).id) & (_ROUTE.name == name)
    rows = tx.execute(select(gateway_routes).where(mine).order_by(_ROUTE.version))
    return [
        StoredRoute(row.name, row.version, read_spec(row.spec) if row.spec else None, row.created_at) for row in rows
    ]


def find_route(tx: Transaction, project_id: str, name: str) -> StoredRoute:
    """A route as it holds now. Raises NotFound."""
    versions = route_versions(tx, project_id, name)
    if not versions or versions[-1].spec is None:
        raise no_route(name)
    return versions[-1]


def list_routes(tx: Transaction, project_id: str) -> list[StoredRoute]:
    """The routes of the project's organization as they hold now, by name."""
    organization_id = organization_of(tx, project_id).id
    rows = [row for row in tx.execute(_present()) if row.organization_id == organization_id]
    return [StoredRoute(row.name, row.version, read_spec(row.spec), row.created_at) for row in rows]


def all_routes(tx: Transaction) -> Routes:
    """The routes of every organization as they hold now: what the gateway keeps in memory."""
    return {(row.organization_id, row.name): read_spec(row.spec) for row in tx.execute(_present())}


def no_route(name: str) -> NotFound:
    """There is none of this name, or it belongs to another organization: the two look alike."""
    return NotFound(
        f"There is no route '{name}'. 'argosy route list' lists the ones that there are.", code="route_not_found"
    )


def _present() -> Select[Any]:
    """The highest version of each name, but for those that were removed."""
    newest = (
        select(_ROUTE.organization_id, _ROUTE.name, func.max(_ROUTE.version).label("version"))
        .group_by(_ROUTE.organization_id, _ROUTE.name)
        .subquery()
    )
    same = (
        (_ROUTE.organization_id == newest.c.organization_id)
        & (_ROUTE.name == newest.c.name)
        & (_ROUTE.version == newest.c.version)
    )
    return select(gateway_routes).join(newest, same).where(_ROUTE.spec.is_not(None)).order_by(_ROUTE.name)
