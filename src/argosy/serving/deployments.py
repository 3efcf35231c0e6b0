"""Asking for a model to be served, with every mistake told before anything starts."""

from dataclasses import dataclass
from pathlib import Path

from argosy.billing import Tariff, current_prices, ensure_cost, ensure_price, standing_cost, standing_price
from argosy.catalog import (
    FREE,
    ModelCard,
    Prices,
    ProviderSource,
    card,
    cards,
    find_provider,
    list_aliases,
    require_licence,
)
from argosy.core import Conflict, Invalid
from argosy.runtime import Transaction
from argosy.serving.engines import ENGINES
from argosy.serving.fit import CALIBRATED
from argosy.serving.quantise import FORMATS
from argosy.serving.room import require_room
from argosy.serving.store import Deployment, list_deployments, want_deployment
from argosy.serving.versions import PROVIDER, Spec

BEST = "best"
"""The quantisation to ask for where fitting is to choose."""
_ECHO = "echo"


@dataclass(frozen=True)
class Provided:
    """A provider's model that is to answer under a name of ours."""

    provider: str
    model: str
    """What the provider calls it."""


def deploy(
    tx: Transaction,
    project_id: str,
    model: str,
    engine: str | None = None,
    provided: Provided | None = None,
    prices: Tariff | None = None,
    idle_unload_s: int | None = None,
    replicas: int | None = None,
    quantisation: str | None = None,
    effective_from: int | None = None,
    cost: Tariff | None = None,
    dedicated_to: str | None = None,
) -> Deployment:
    """Ask for ``model`` to be served; harmless to repeat, and the way to retry after a failure.

    What serves it is a version: another engine, provider or ``quantisation`` (`BEST`: as fitting finds) makes a new
    one, which takes over when it is ready. ``replicas`` engines share its requests. None leaves either as it is.

    After ``idle_unload_s`` seconds without a request its engine is unloaded, and loaded again by the next one; 0 is
    never, None leaves it as it was.
    ``dedicated_to`` is the one project that may use it and pays for its engines' time; empty is every project, None
    leaves it as it was.
    Without ``engine``, models with a card run on llama.cpp, or at the provider that the card names; the name ``echo``
    needs no card, and neither does any name on the echo engine or with ``provided``. ``prices`` become the model's;
    without any, the price that it has stays, or else that on the card begins. So it does where ``prices`` hold only
    from ``effective_from`` on, in unix seconds. ``cost`` is what the provider asks, from then on too; without one, what
    is known of it stays, or else what its card lists begins. Raises Invalid (no such engine
    or quantisation, an unusable name, no price), NotFound (no such card or provider), Forbidden (a licence that was not
    accepted), Conflict (the name is an alias).
    """
    _refuse_alias(tx, project_id, model)
    known = cards().get(model)
    if provided is None and known and known.hosted and engine is None:
        provided = _as_on_card(known)
    if provided:
        _check_name(model)
        if dedicated_to:
            raise Invalid(
                f"'{model}' is answered for by a provider: there is no engine that could be one project's alone.",
                code="no_engine_to_dedicate",
                param="dedicated_to",
            )
        find_provider(tx, provided.provider)
        _set_price(tx, model, prices, _list_prices(known), effective_from)
        _set_cost(tx, provided, model, cost, known, effective_from)
        spec = Spec(PROVIDER, None, provided.provider, provided.model)
        return want_deployment(tx, project_id, model, spec, idle_unload_s, replicas)
    if cost:
        raise Invalid(
            f"'{model}' is not a provider's model, so nobody is paid for it. Leave 'cost' out.",
            code="cost_without_provider",
            param="cost",
        )
    engine = engine or (_ECHO if model == _ECHO else "llama_cpp")
    if engine not in ENGINES:
        raise Invalid(
            f"There is no engine '{engine}'. Choose one of: {', '.join(ENGINES)}.",
            code="unknown_engine",
            param="engine",
        )
    if engine == _ECHO:
        _check_name(model)
        _set_price(tx, model, prices, FREE, effective_from)
    else:
        wanted = _check_card(tx, project_id, card(model))
        quantisation = _form(tx, wanted, quantisation)
        _set_price(tx, model, prices, wanted.own_prices, effective_from)
    return want_deployment(tx, project_id, model, Spec(engine, quantisation), idle_unload_s, replicas, dedicated_to)


def served_file(tx: Transaction, model: str) -> Path | None:
    """The very file of weights that a base model is served from; None while it is not ready, or has no weights."""
    for deployment in list_deployments(tx):
        if deployment.model == model and deployment.desired == "running" and deployment.detail.get("file"):
            return Path(str(deployment.detail["file"]))
    return None


def _check_card(tx: Transaction, project_id: str, wanted: ModelCard) -> ModelCard:
    """The card, if its model may run here, and can."""
    if wanted.hosted:
        raise Invalid(
            f"'{wanted.name}' has no weights to run: {wanted.publisher} answers for it. Leave the engine out.",
            code="model_hosted",
            param="engine",
        )
    require_licence(tx, project_id, wanted, "deploy")
    require_room(wanted)
    wanted.pinned()
    return wanted


def _form(tx: Transaction, wanted: ModelCard, form: str | None) -> str | None:
    """The form to ask for: None leaves it as it is, `BEST` leaves it to fitting. Raises Invalid for an unknown one."""
    if form is None:
        return next((one.spec.quantisation for one in list_deployments(tx) if one.model == wanted.name), None)
    if form == BEST:
        return None
    shipped = wanted.shipped_form
    made = () if wanted.modality in ("embedding", "rerank") else (*FORMATS, CALIBRATED)
    known = [shipped, *(one for one in made if one != shipped)]
    if form.upper() not in known:
        raise Invalid(
            f"'{wanted.name}' can be served as {', '.join(known)}, or as '{BEST}', the best of them; not as '{form}'.",
            code="unknown_quantisation",
            param="quantisation",
        )
    return form.upper()


def _refuse_alias(tx: Transaction, project_id: str, name: str) -> None:
    """A name has one meaning. Raises Conflict."""
    for alias in list_aliases(tx, project_id):
        if alias.name == name:
            raise Conflict(
                f"'{name}' is an alias of this project, for '{alias.target}'. Remove it, or choose another name.",
                code="name_taken",
                param="model",
            )


def _set_price(
    tx: Transaction, model: str, given: Tariff | None, default: Prices | None, effective_from: int | None
) -> None:
    if given:
        ensure_price(tx, model, given, effective_from)
        if effective_from is None:
            return
    if default:
        standing_price(tx, model, default)
    elif model not in current_prices(tx):
        raise Invalid(
            f"No price is in force for '{model}', so its use could not be billed. Give 'prices' with the deployment.",
            code="price_missing",
            param="prices",
        )


def _set_cost(
    tx: Transaction,
    provided: Provided,
    model: str,
    given: Tariff | None,
    known: ModelCard | None,
    effective_from: int | None,
) -> None:
    listed = _list_prices(known) if known and known.hosted and _as_on_card(known) == provided else None
    if given:
        ensure_cost(tx, provided.provider, model, given, effective_from)
        if effective_from is None:
            return
    if listed:
        standing_cost(tx, provided.provider, model, listed)


def _as_on_card(known: ModelCard) -> Provided:
    source = known.sources[0]
    assert isinstance(source, ProviderSource)
    return Provided(source.provider, source.model)


def _list_prices(known: ModelCard | None) -> Prices | None:
    """What the provider asks, handed on as it is."""
    listed = known and known.list_prices
    if not listed or listed.input is None:
        return None
    cached = listed.input if listed.cached_input is None else listed.cached_input
    return Prices(listed.currency, listed.input, cached, listed.output or 0, 0)


def _check_name(name: str) -> None:
    """It becomes part of a log file's name, among others. Raises Invalid."""
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not (len(name) <= 100 and name[:1].isalpha() and plain.isascii() and plain.isalnum()):
        raise Invalid(
            "A model's name has 1 to 100 letters, digits, dots, dashes and underscores, and starts with a letter.",
            code="invalid_model_name",
            param="model",
        )
