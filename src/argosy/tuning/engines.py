"""What tuning asks of serving: which weights to train on, and whether a new model answers."""

from pathlib import Path
from typing import Protocol

from argosy import serving
from argosy.core import Invalid, NotFound
from argosy.runtime import Transaction


class Engines(Protocol):
    """The engines of this platform, as far as tuning goes."""

    def weights(self, tx: Transaction, base: str) -> Path | None:
        """The very file that the base is served from, None if it is not deployed."""

    def answers(self, tx: Transaction, model: str) -> bool:
        """Whether a request for this model is answered now."""

    def demand(self, tx: Transaction, base: str) -> None:
        """Have the base loaded, if it is unloaded."""

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

    def demand(self, tx: Transaction, base: str) -> None:
        """As the gateway does for a request."""
        serving.ask_for(tx, base)

    def refusal(self, tx: Transaction, base: str, model: str) -> str | None:
        """What the engine said of a file that it could not load."""
        try:
            left_out = serving.find_deployment(tx, base).detail.get("left_out", {})
        except NotFound:
            return None
        return None if model not in left_out else str(left_out[model])


def not_deployed(base: str) -> Invalid:
    """What is said when there are no weights to train on, or to load an adapter on."""
    return Invalid(
        f"'{base}' is not deployed and ready here. Run 'argosy deploy {base}', then try again.",
        code="model_not_deployed",
        param="model",
    )
