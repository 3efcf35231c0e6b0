"""What a deployment is served with, version by version: each change is a new one, and an old one can be had back."""

from dataclasses import dataclass
from typing import Any

PROVIDER = "provider"
"""The engine of versions that a provider answers for: there are no replicas, and nothing to reconcile."""


@dataclass(frozen=True)
class Spec:
    """All that decides how a model is served."""

    engine: str
    quantisation: str | None = None
    """The form of its weights; None is the best that fitting finds."""
    provider: str | None = None
    provider_model: str | None = None
    """What the provider calls it."""


@dataclass(frozen=True)
class DeploymentVersion:
    """One version of a deployment."""

    number: int
    spec: Spec
    fit: dict[str, Any] | None
    """What was measured for it, and the file that was chosen; None before it was served."""
    error: str | None
    """Why it could not be served."""
    created_at: int
