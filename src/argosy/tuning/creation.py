"""Creating a job: what can be told at once is told at once; the rest the worker finds out."""

from argosy import billing, catalog, datasets
from argosy.core import Invalid, NotFound, new_id
from argosy.identity import Caller
from argosy.runtime import Transaction
from argosy.tuning import store
from argosy.tuning.engines import Engines, not_deployed
from argosy.tuning.publishing import model_name
from argosy.tuning.requests import JobRequest
from argosy.tuning.store import Job


def create(tx: Transaction, caller: Caller, request: JobRequest, engines: Engines) -> Job:
    """A new job in `validating_files`. Raises NotFound for an unknown model, Invalid for one that cannot be tuned here
    and for files that are not there, Forbidden for a licence that the project has not accepted."""
    price = _price_of_base(tx, caller.project_id, request.model, engines)
    for param in ("training_file", "validation_file"):
        if file_id := getattr(request, param):
            _check_file(tx, caller.project_id, file_id, param)
    job_id = new_id("ftjob-")
    values = {
        "id": job_id,
        "organization_id": caller.organization_id,
        "organization_slug": caller.organization_slug,
        "key_id": caller.key_id,
        "model": request.model,
        "training_file": request.training_file,
        "validation_file": request.validation_file,
        "suffix": request.suffix,
        "seed": request.seed,
        "hyperparameters": request.hyperparameters,
        "metadata": request.metadata,
        "price_version": price,
        "fine_tuned_model": model_name(request.model, caller.organization_slug, request.suffix, job_id),
    }
    return store.create_job(tx, caller.project_id, values)


def _price_of_base(tx: Transaction, project_id: str, model: str, engines: Engines) -> str:
    """The price version that this job will be billed at, if the project may tune the model, and this machine can."""
    if model.startswith("ft:"):
        raise Invalid(
            "Tuning a tuned model further is not supported: name its base model, and put all rows into one file.",
            code="model_not_tunable",
            param="model",
        )
    card = catalog.card(model)
    catalog.require_licence(tx, project_id, card, "tune")
    if engines.weights(tx, model) is None:
        raise not_deployed(model)
    return billing.standing_price(tx, card.name, card.own_prices)


def _check_file(tx: Transaction, project_id: str, file_id: str, param: str) -> None:
    try:
        file = datasets.find_file(tx, project_id, file_id)
    except NotFound as error:
        raise Invalid(
            f"There is no file '{file_id}' in this project. Upload it first, with purpose 'fine-tune'.",
            code="file_not_found",
            param=param,
        ) from error
    if file.purpose != "fine-tune":
        raise Invalid(
            f"The file '{file_id}' was uploaded for '{file.purpose}'. Upload it again with purpose 'fine-tune'.",
            code="invalid_file_purpose",
            param=param,
        )
