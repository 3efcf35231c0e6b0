"""Asking for a model to be served, with every mistake told before anything starts."""

from pathlib import Path

from argosy.billing import ensure_price
from argosy.catalog import FREE, card, require_licence
from argosy.core import Invalid
from argosy.runtime import Transaction
from argosy.serving.engines import ENGINES
from argosy.serving.room import require_room
from argosy.serving.store import Deployment, list_deployments, want_deployment

_ECHO = "echo"


def deploy(tx: Transaction, project_id: str, model: str, engine: str | None = None) -> Deployment:
    """Ask for ``model`` to be served; harmless to repeat, and the way to retry after a failure.

    Without ``engine``, models with a card run on llama.cpp; the name ``echo`` needs no card, and neither does any name
    on the echo engine. Raises Invalid (no such engine, or an unusable name), NotFound (no such card), Forbidden (a
    licence that the project has not accepted). The prices on the card become the model's.
    """
    engine = engine or (_ECHO if model == _ECHO else "llama_cpp")
    if engine not in ENGINES:
        raise Invalid(
            f"There is no engine '{engine}'. Choose one of: {', '.join(ENGINES)}.",
            code="unknown_engine",
            param="engine",
        )
    if engine != _ECHO:
        wanted = card(model)
        if wanted.hosted:
            raise Invalid(
                f"'{model}' has no weights to deploy: {wanted.publisher} answers for it, as a provider.",
                code="model_hosted",
                param="model",
            )
        require_licence(tx, project_id, wanted, "deploy")
        if engine == "llama_cpp":
            require_room(wanted)
    elif not _usable(model):
        raise Invalid(
            "A model's name has 1 to 100 letters, digits, dots, dashes and underscores, and starts with a letter.",
            code="invalid_model_name",
            param="model",
        )
    ensure_price(tx, model, FREE if engine == _ECHO else card(model).own_prices)
    return want_deployment(tx, project_id, model, engine)


def served_file(tx: Transaction, model: str) -> Path | None:
    """The very file of weights that a base model is served from; None while it is not ready, or has no weights."""
    for deployment in list_deployments(tx):
        if deployment.model == model and deployment.desired == "running" and deployment.detail.get("file"):
            return Path(str(deployment.detail["file"]))
    return None


def _usable(name: str) -> bool:
    """The name becomes part of a log file's name, among others."""
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    return len(name) <= 100 and name[:1].isalpha() and plain.isascii() and plain.isalnum()
