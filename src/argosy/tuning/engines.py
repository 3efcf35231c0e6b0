"""What tuning asks of serving: which weights to train on, and whether a new model answers."""

from pathlib import Path
from typing import Protocol

from argosy import serving
from argosy.core import NotFound
from argosy.runtime import Transaction


class Engines(Protocol):
    """The engines of this platform, as far as tuning goes."""

    def weights(self, tx: Transaction, base: str) -> Path | None:
        """The very file that the base is served from, None if it is not deployed."""

    def answers(self, tx: Transaction, model: str) -> bool:
        """Whether a request for this model is answered now."""

    def refusal(self, tx: Transaction, base: str, model: str) -> str | None:
        """Why no engine will ever load this model, None if nothing is known against it."""


class DeployedEngines:
    """Those that `argosy.serving` runs."""

    def weights(self, tx: Transaction, base: str) -> Path | None:
        """As its deployment has it."""
        return serving.served_file(tx, base)

    def answers(self, tx: Transaction, model: str) -> bool:
        """Whether a ready replica lists it."""
        return any(route.model == model and route.url is not None for route in serving.routes(tx))

    def refusal(self, tx: Transaction, base: str, model: str) -> str | None:
        """What the engine said of a file that it could not load."""
        try:
            left_out = serving.find_deployment(tx, base).detail.get("left_out", {})
        except NotFound:
            return None
        return left_out.get(model)
