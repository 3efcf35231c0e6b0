"""Serving: deployments (what is wanted), replicas (what runs), and the reconciler that makes these match those.

Names are loaded on first use: every engine process imports this package on its way, and must not pay for the database.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argosy.serving.deployments import Provided, deploy, served_file
    from argosy.serving.engines import ENGINES
    from argosy.serving.reconciler import Reconciler
    from argosy.serving.room import estimate, require_room
    from argosy.serving.route import Route, engine_request, modality_of, routes
    from argosy.serving.store import (
        PROVIDER,
        Deployment,
        ReplicaRow,
        ask_for,
        find_deployment,
        list_deployments,
        list_replicas,
        stop_deployment,
    )

__all__ = [
    "ENGINES",
    "PROVIDER",
    "Deployment",
    "Provided",
    "Reconciler",
    "ReplicaRow",
    "Route",
    "ask_for",
    "deploy",
    "engine_request",
    "estimate",
    "find_deployment",
    "list_deployments",
    "list_replicas",
    "modality_of",
    "require_room",
    "routes",
    "served_file",
    "stop_deployment",
]

_PLACES = {
    "ENGINES": "engines",
    "Provided": "deployments",
    "Reconciler": "reconciler",
    "Route": "route",
    "deploy": "deployments",
    "engine_request": "route",
    "estimate": "room",
    "modality_of": "route",
    "require_room": "room",
    "routes": "route",
    "served_file": "deployments",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'argosy.serving' has no attribute '{name}'")
    return getattr(import_module(f"argosy.serving.{_PLACES.get(name, 'store')}"), name)
