"""What a model name leads to, in memory: routes and prices, read again when the configuration's version changes."""

import asyncio
import contextlib
import difflib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import structlog

from argosy.billing import Price, current_costs, current_prices, next_change, price_for, price_time
from argosy.catalog import adapters_of, all_aliases, load_cards
from argosy.core import Invalid, NotFound, Unavailable
from argosy.gateway.asked import Asked
from argosy.gateway.pieces import counted_by
from argosy.gateway.plan import Plan
from argosy.gateway.requests import Kind, Request, encode_members
from argosy.gateway.route_spec import Routes, ordered
from argosy.gateway.store import all_routes
from argosy.identity import Caller
from argosy.runtime import Database, Transaction, Vault, read_version
from argosy.serving import (
    PROVIDER,
    Route,
    ask_for,
    engine_request,
    fitted_files,
    list_deployments,
    modality_of,
    revision_of,
    routes,
)

_log = structlog.get_logger()
_DEMAND_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Offer:
    """A route with the price that applies now."""

    route: Route
    price_version: str | None
    """Id of the pinned price, None if the operator has not set one."""
    members: bytes
    """JSON members, without braces, that select this model on its engine."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What a provider is sent along: its key."""

    endpoint: str = ""
    """Who answers, by name: what health is kept of."""
    identity: str = ""
    """All that decides its answers and their price: two offers with the same one give the same."""
    batch_discount: int | None = None
    """What the price says for lines of batches, in percent; None: the platform's."""
    cost_version: str = ""
    """Id of what the provider asks, pinned likewise; empty for an engine of ours, and where it is not known."""
    counted: str = ""
    """What its requests are counted by besides tokens, see `argosy.gateway.pieces`; empty for most."""
    target: str = field(init=False)
    """The name of the deployment or the provider behind it."""
    ready: bool = field(init=False)
    """Whether a replica answers for it now; otherwise it is worth waiting for one."""

    def __post_init__(self) -> None:
        provider = self.route.provider
        object.__setattr__(self, "target", provider.name if provider else self.route.base_model)
        object.__setattr__(self, "ready", bool(self.route.url))

    def discount(self, granted: int, batch_id: str | None) -> int:
        """Percent off for a caller to whom so much was granted: in a batch, the price's own rate if it has one."""
        return granted if batch_id is None or self.batch_discount is None else self.batch_discount


@dataclass(frozen=True)
class Configuration:
    """All that is read from the database for routing, at one version."""

    routes: Sequence[Route]
    prices: Mapping[str, Price]
    aliases: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """By project and name: the model that is meant."""
    specs: Routes = field(default_factory=dict)
    """By organization and name: how its requests are routed."""
    costs: Mapping[tuple[str, str], Price] = field(default_factory=dict)
    """What providers ask, by provider and model."""


def read_configuration(tx: Transaction) -> Configuration:
    """Routes and prices as they stand. Models without a replica come first, so that a route takes their place."""
    aliases = {(alias.project_id, alias.name): alias.target for alias in all_aliases(tx)}
    return Configuration([*expected(tx), *routes(tx)], current_prices(tx), aliases, all_routes(tx), current_costs(tx))


def expected(tx: Transaction) -> list[Route]:
    """Routes that lead nowhere yet: what is to be served, whether or not a replica is ready for it just now.

    They tell a model whose engine is starting again from one that does not exist.
    """
    found: list[Route] = []
    fits = fitted_files(tx)
    for deployment in list_deployments(tx):
        if deployment.desired != "running" or deployment.spec.engine == PROVIDER:
            continue
        base = Route(
            model=deployment.model,
            project_id=deployment.dedicated_to,
            base_model=deployment.model,
            url="",
            adapter_index=None,
            adapter_count=0,
            engine=deployment.spec.engine,
            context_length=0,
            replica_id="",
            modality=modality_of(deployment.model),
            revision=revision_of(deployment.id, deployment.version, fits.get((deployment.id, deployment.version))),
        )
        left_out = deployment.detail.get("left_out", {})
        known = [version for version in adapters_of(tx, deployment.model) if version.name not in left_out]
        adapters = [each for each in known if deployment.dedicated_to in (None, each.project_id)]
        found.append(base)
        for each in adapters:
            revision = f"{base.revision} {each.digest}"
            found.append(replace(base, model=each.name, project_id=each.project_id, revision=revision))
    return found


_KINDS = {"embedding": Kind.EMBEDDING, "rerank": Kind.RERANK, "moderation": Kind.MODERATION}
"""Modalities that answer to one path only; every other one completes text."""


def check_kind(request: Request, modality: str) -> None:
    """Raise Invalid, naming the right path, for a model that does not do what this path is for."""
    right = _KINDS.get(modality)
    if (request.kind is not right) if right else not request.kind.completes:
        raise Invalid(
            f"'{request.model}' is a model for {modality}. Ask it at {(right or Kind.CHAT).path}.",
            code="wrong_kind_of_model",
            param="model",
        )


class RouteTable:
    """Model names to offers. `refresh` may be called from any thread; the others only read one dict at a time."""

    def __init__(
        self,
        database: Database,
        read: Callable[[Transaction], Configuration] = read_configuration,
        vault: Vault | None = None,
    ) -> None:
        """``vault`` opens the keys of providers; without one, their models are not offered."""
        self._database, self._read, self._vault = database, read, vault
        self._version = -1
        self._price_change: int | None = None
        """When a price comes into force next, in unix seconds."""
        self._refreshing = threading.Lock()
        self._prices: dict[str, Price] = {}
        """By id: those that apply, and those that did while this process ran."""
        self._offers: dict[str, list[Offer]] = {}
        """By name: every replica that answers, or one offer that leads nowhere yet."""
        self._aliases: Mapping[tuple[str, str], str] = {}
        self._specs: Routes = {}
        self._demanded: dict[str, float] = {}
        self._plain: dict[str, Plan] = {}
        """Plans of models that no route leads to. Only of such as are there, so there are only so many."""

    def refresh(self) -> bool:
        """Load the configuration again if it was changed, or a price has come into force; says whether it did."""
        # One at a time: of two at once, the one with the older view could be the last to put it in place.
        with self._refreshing, self._database.read() as tx:
            # Version first: a change between the reads is then loaded now and once more, never missed.
            version = read_version(tx)
            due = self._price_change is not None and self._price_change <= price_time()
            if version == self._version and not due:
                return False
            load_cards(tx)
            change = next_change(tx)  # before the prices: one that begins in between is then looked for once more
            found = self._read(tx)
            self._prices |= {price.id: price for price in found.prices.values()}
            self._plain = {}
            self._offers, self._aliases, self._specs = _grouped(self._offered(found)), found.aliases, found.specs
            self._version, self._price_change = version, change
        return True

    def find(self, project_id: str, model: str) -> Offer:
        """An offer behind a name: what all of its replicas have in common.

        Raises NotFound, also for another project's, and Unavailable without a price.
        """
        offers = self._offers.get(model)
        if not offers or not _visible(offers[0].route, project_id):
            raise self._unknown(project_id, model)
        if offers[0].price_version is None:
            raise Unavailable(
                f"The model '{model}' has no price yet, so its use could not be billed. Ask the operator to set one.",
                code="price_missing",
                retry_after_s=30,
            )
        return offers[0]

    def every_offer(self) -> Iterator[Offer]:
        """All there are, whoever may use them."""
        return chain.from_iterable(self._offers.values())

    def price(self, version: str | None) -> Price:
        """The price of an offer, or of an intent that was written while this process ran. Raises KeyError."""
        return self._prices[version or ""]

    def offers(self, project_id: str, model: str) -> Sequence[Offer]:
        """All replicas of a model that the project may use and that has a price, or one that leads nowhere yet."""
        found = self._offers.get(model, ())
        if not found or found[0].price_version is None or not _visible(found[0].route, project_id):
            return ()
        return found

    def plan(self, request: Request, caller: Caller) -> Plan:
        """Where a request may go. Raises NotFound, Unavailable without a price, and Invalid if no target takes it."""
        spec = self._specs.get((caller.organization_id, request.model)) if self._specs else None
        if spec is None:
            self.find(caller.project_id, request.model)
            return self._plain.get(request.model) or self._plain.setdefault(request.model, Plan((request.model,)))
        targets = ordered(request.model, spec, Asked(request, caller))
        models = [target.model for target in targets if self.offers(caller.project_id, target.model)]
        if not targets:
            raise Invalid(
                f"No target of the route '{request.model}' takes a request like this one. "
                f"'argosy route show {request.model}' shows their conditions.",
                code="no_target_takes_it",
                param="model",
            )
        if not models:  # what is wrong with the first tells most
            self.find(caller.project_id, targets[0].model)
        if request.parts > 1:
            # One request has one price, so all of its parts stay with one model.
            models = [next((model for model in models if self._offers[model][0].ready), models[0])]
        return Plan(tuple(models), spec.attempts, spec.deadlines, request.model)

    def take_tools(self, project_id: str, models: Iterable[str]) -> bool:
        """Whether all that may be asked for these models are providers, which take tools as the client sends them."""
        return all(offer.route.provider for model in models for offer in self.offers(project_id, model))

    def resolve(self, project_id: str, model: str) -> str:
        """The model that a project means by a name: what its alias stands for now, else the name itself."""
        return self._aliases.get((project_id, model), model) if self._aliases else model

    async def demand(self, base_model: str) -> None:
        """A request waits for this model: have it loaded, if it is unloaded. Asks at most once a second."""
        now = asyncio.get_running_loop().time()
        if now - self._demanded.get(base_model, -_DEMAND_EVERY_S) < _DEMAND_EVERY_S:
            return
        self._demanded[base_model] = now
        with contextlib.suppress(Exception):  # the refresher tells of an outage
            await asyncio.to_thread(self._ask_for, base_model)

    def _ask_for(self, base_model: str) -> None:
        with self._database.write() as tx:
            ask_for(tx, base_model)

    def models(self, project_id: str) -> list[Route]:
        """The routes that a project may use and that a replica answers for now, by name."""
        offers = self._offers
        usable = (offers[name][0] for name in sorted(offers))
        return [offer.route for offer in usable if offer.ready and _visible(offer.route, project_id)]

    def _offered(self, found: Configuration) -> Iterator[tuple[str, Offer]]:
        for route in found.routes:
            price = price_for(found.prices, route.model, route.base_model)
            headers: Mapping[str, str] = {}
            if route.provider:
                try:
                    headers = route.provider.headers(self._vault) if self._vault else {}
                except Unavailable as error:
                    _log.error("provider.unreadable", provider=route.provider.name, reason=error.code)
                    continue
            members = encode_members(engine_request(route))
            endpoint = f"{route.provider.name} {route.provider_model}" if route.provider else route.url
            price_id = price.id if price else None
            identity = f"{route.model} {route.base_model} {route.engine} {route.revision} {price_id}"
            cost = found.costs.get((route.provider.name, route.model)) if route.provider else None
            batch_discount, cost_version = price.batch_discount if price else None, cost.id if cost else ""
            pinned = (batch_discount, cost_version, counted_by(price, cost))
            yield route.model, Offer(route, price_id, members, headers, endpoint, identity, *pinned)

    def _unknown(self, project_id: str, model: str) -> NotFound:
        names = [route.model for route in self.models(project_id)]
        near = difflib.get_close_matches(model, names, n=3, cutoff=0.5)
        if near:
            hint = "Did you mean " + " or ".join(f"'{name}'" for name in near) + "?"
        else:
            hint = "GET /v1/models lists the ones that you can use."
        shown = model if len(model) <= 200 else model[:200] + "…"
        return NotFound(
            f"The model '{shown}' does not exist or you do not have access to it. {hint}",
            code="model_not_found",
            param="model",
        )


def _grouped(offered: Iterable[tuple[str, Offer]]) -> dict[str, list[Offer]]:
    """The offers of each name; one that leads nowhere is kept only where there is no other."""
    found: dict[str, list[Offer]] = {}
    for name, offer in offered:
        there = found.setdefault(name, [])
        if there and not there[0].ready:
            there.clear()
        if offer.ready or not there:
            there.append(offer)
    return found


def _visible(route: Route, project_id: str) -> bool:
    return route.project_id is None or route.project_id == project_id
