"""Serving: deployments (what is wanted), replicas (what runs), and the reconciler that makes these match those.

Names are loaded on first use: every engine process imports this package on its way, and must not pay for the database.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argosy.serving.deployments import Provided, deploy, served_file
    from argosy.serving.engines import ENGINES
    from argosy.serving.fit_report import fit_document
    from argosy.serving.logs import last_lines
    from argosy.serving.preparing import ready_file
    from argosy.serving.pricing import Derived, derive_price
    from argosy.serving.reconciler import Reconciler
    from argosy.serving.room import estimate, require_room
    from argosy.serving.route import Route, engine_request, modality_of, revision_of, routes
    from argosy.serving.store import (
        Deployment,
        ReplicaRow,
        ask_for,
        find_deployment,
        fitted_files,
        list_deployments,
        list_replicas,
        list_versions,
        no_such_deployment,
        roll_back,
        stop_deployment,
    )
    from argosy.serving.versions import PROVIDER, DeploymentVersion, Spec

__all__ = [
    "ENGINES",
    "PROVIDER",
    "Deployment",
    "DeploymentVersion",
    "Derived",
    "Provided",
    "Reconciler",
    "ReplicaRow",
    "Route",
    "Spec",
    "ask_for",
    "deploy",
    "derive_price",
    "engine_request",
    "estimate",
    "find_deployment",
    "fit_document",
    "fitted_files",
    "last_lines",
    "list_deployments",
    "list_replicas",
    "list_versions",
    "modality_of",
    "no_such_deployment",
    "ready_file",
    "require_room",
    "revision_of",
    "roll_back",
    "routes",
    "served_file",
    "stop_deployment",
]

_PLACES = {
    "ENGINES": "engines",
    "PROVIDER": "versions",
    "DeploymentVersion": "versions",
    "Derived": "pricing",
    "Provided": "deployments",
    "Reconciler": "reconciler",
    "Route": "route",
    "Spec": "versions",
    "deploy": "deployments",
    "derive_price": "pricing",
    "engine_request": "route",
    "estimate": "room",
    "fit_document": "fit_report",
    "last_lines": "logs",
    "modality_of": "route",
    "ready_file": "preparing",
    "require_room": "room",
    "revision_of": "route",
    "routes": "route",
    "served_file": "deployments",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'argosy.serving' has no attribute '{name}'")
    return getattr(import_module(f"argosy.serving.{_PLACES.get(name, 'store')}"), name)
