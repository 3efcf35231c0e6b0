"""A fleet in one file: what ``argosy apply`` reads, compares with what is there, and carries out.

    [providers.openai]                    # known by name; others need a base_url
    key_env = "OPENAI_API_KEY"            # the key is read from the environment, never from the file

    [deployments.smollm2-135m-instruct]   # a card of the catalog, as it is

    [deployments.house-gpt]               # a provider's model under a name of our own
    provider = "openai"
    provider_model = "gpt-6-luna"
    prices = { currency = "USD", input = 150_000, output = 600_000 }    # as POST /v1/prices takes it, and "cost"

    [aliases]
    chat-default = "house-gpt"

    [routes.chat]                         # as PUT /v1/routes takes it
    targets = [{ model = "house-gpt" }, { model = "smollm2-135m-instruct", priority = 1 }]

    [budgets.organization]                # of all projects together; else a project's name
    amount = "500 USD"

    [shares.smollm2-135m-instruct]        # what its owner gets of what is charged: as PUT /v1/shares takes it
    owner = "some-lab"
    owner_name = "Some Lab"
    currency = "USD"
    basis_points = 1_000                  # hundredths of a percent

What the file does not name is left alone, unless it is to be pruned; budgets and shares never are.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from argosy.cli.fleet_shares import ShareEntry, share_body, share_differences
from argosy.core import Invalid, parse_money

Method = Literal["POST", "PUT", "DELETE"]
ORGANIZATION = "organization"
_CAPACITY = ("waitlist", "tokens_per_minute")
"""Members of a deployment that are the capacity's."""


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class ProviderEntry(_Strict, frozen=True):
    """A provider, by name."""

    key_env: str | None = None
    """The variable that holds its key; left out for one that asks for none."""
    base_url: str | None = None
    auth: Literal["bearer", "api-key", "x-api-key"] | None = None
    private: bool = False
    prefill: Literal["none", "assistant", "prefix", "partial"] | None = None


class TierEntry(_Strict, frozen=True):
    """Other rates for the whole request, above a length of its prompt."""

    above_prompt_tokens: int
    input: int
    output: int
    cached_input: int | None = None


class CostEntry(_Strict, frozen=True):
    """What the provider asks, in micro-units of the currency per million tokens."""

    currency: str
    input: int
    output: int
    cached_input: int | None = None
    training: int = 0
    tiers: list[TierEntry] = []


class PricesEntry(CostEntry, frozen=True):
    """What we ask."""

    batch_discount: int | None = None
    """Percent off in batches."""
    effective_from: int | datetime | None = None
    """At once if it is left out; else what holds now does until then."""
    cost: CostEntry | None = None


class DeploymentEntry(_Strict, frozen=True):
    """A deployment, by its model's name."""

    engine: str | None = None
    provider: str | None = None
    provider_model: str | None = None
    idle_unload_s: int | None = None
    replicas: int | None = None
    waitlist: bool | None = None
    """Whether limits that promise more of it than there is have to wait."""
    tokens_per_minute: int | None = None
    """What it can do, instead of what was measured."""
    quantisation: str | None = None
    prices: PricesEntry | None = None


class BudgetEntry(_Strict, frozen=True):
    """A budget, by the name of a project, or "organization" for all of them together."""

    amount: str
    """Such as ``500 USD``."""
    period: Literal["month", "none"] = "month"
    hard: bool = True
    thresholds: tuple[int, ...] = (80, 100)


class Fleet(_Strict, frozen=True):
    """All that a file may declare."""

    providers: dict[str, ProviderEntry] = {}
    deployments: dict[str, DeploymentEntry] = {}
    aliases: dict[str, str] = {}
    routes: dict[str, dict[str, Any]] = {}
    budgets: dict[str, BudgetEntry] = {}
    shares: dict[str, ShareEntry] = {}


@dataclass(frozen=True)
class Present:
    """What is there, as the public API lists it, by name."""

    providers: Mapping[str, Mapping[str, Any]]
    deployments: Mapping[str, Mapping[str, Any]]
    """Those that are wanted."""
    aliases: Mapping[str, str]
    routes: Mapping[str, Mapping[str, Any]]
    capacity: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    budgets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By the name of the project, or "organization"."""
    shares: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The latest version of each model's."""


@dataclass(frozen=True)
class Step:
    """One call that brings the fleet nearer to the file."""

    sign: Literal["+", "~", "-"]
    what: str
    method: Method
    path: str
    body: Mapping[str, Any] | None = None


def read_fleet(text: str) -> Fleet:
    """The fleet of a file. Raises Invalid that names the line or the member at fault."""
    try:
        return msgspec.convert(tomllib.loads(text), Fleet)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Invalid(f"The fleet file cannot be read: {error}", code="invalid_fleet") from error


def plan(fleet: Fleet, present: Present, environment: Mapping[str, str], *, prune: bool = False) -> list[Step]:
    """The steps to get from what is there to what the file says, in an order that works; none where they agree.

    Raises Invalid for a key that is not in the environment.
    """
    steps = [
        *_providers(fleet, present, environment),
        *_deployments(fleet, present),
        *_capacity(fleet, present),
        *_aliases(fleet, present),
        *_routes(fleet, present),
        *_budgets(fleet, present),
        *_shares(fleet, present),
    ]
    return [*steps, *_surplus(fleet, present)] if prune else steps


def _providers(fleet: Fleet, present: Present, environment: Mapping[str, str]) -> Iterator[Step]:
    for name, entry in fleet.providers.items():
        key = _key(name, entry, environment)
        there = present.providers.get(name)
        differs = [] if there is None else _provider_differences(entry, key, there)
        if there is None or differs:
            body = {"name": name, "key": key, **msgspec.to_builtins(entry)}
            del body["key_env"]
            what = f"provider {name}" + (f" ({', '.join(differs)})" if differs else "")
            yield Step("~" if there else "+", what, "POST", "/providers", _given(body))


def _key(name: str, entry: ProviderEntry, environment: Mapping[str, str]) -> str | None:
    if entry.key_env is None:
        return None
    if not environment.get(entry.key_env):
        raise Invalid(f"The key of '{name}' is to come from {entry.key_env}, which is not set.", code="key_missing")
    return environment[entry.key_env]


def _provider_differences(entry: ProviderEntry, key: str | None, there: Mapping[str, Any]) -> list[str]:
    """A key cannot be read back: another end tells it apart from the one that is stored."""
    differs = []
    if entry.base_url and entry.base_url.rstrip("/") != there["base_url"]:
        differs.append("base_url")
    if entry.auth and entry.auth != there["auth"]:
        differs.append("auth")
    if entry.private != there["private"]:
        differs.append("private")
    if (entry.prefill or "none") != there.get("prefill", "none"):
        differs.append("prefill")
    if (f"…{key[-4:]}" if key and len(key) >= 12 else None) != there["key_hint"]:
        differs.append("key")
    return differs


def _deployments(fleet: Fleet, present: Present) -> Iterator[Step]:
    for name, entry in fleet.deployments.items():
        there = present.deployments.get(name)
        differs = [] if there is None else _deployment_differences(name, entry, there)
        if there is None or differs:
            body = {"model": name, **msgspec.to_builtins(entry)}
            for member in _CAPACITY:
                del body[member]
            if entry.prices:
                body["prices"] = _price_body(entry.prices)
            what = f"deployment {name}" + (f" ({', '.join(differs)})" if differs else "")
            yield Step("~" if there else "+", what, "POST", "/deployments", _given(body))


def _capacity(fleet: Fleet, present: Present) -> Iterator[Step]:
    """How much of a deployment may be promised by limits."""
    for name, entry in fleet.deployments.items():
        said = _given({member: getattr(entry, member) for member in _CAPACITY})
        there = present.capacity.get(name, {})
        now = {"waitlist": there.get("waitlist", False), "tokens_per_minute": None}
        if there.get("source") == "given":
            now["tokens_per_minute"] = there["tokens_per_minute"]
        differs = [member for member, value in said.items() if value != now[member]]
        if differs:
            yield Step("~", f"capacity of {name} ({', '.join(differs)})", "PUT", f"/capacity/{name}", said)


def _deployment_differences(name: str, entry: DeploymentEntry, there: Mapping[str, Any]) -> list[str]:
    differs = []
    if there["state"] == "failed":
        differs.append("it failed")
    if entry.engine and entry.engine != there["engine"]:
        differs.append("engine")
    if entry.provider and entry.provider != there["provider"]:
        differs.append("provider")
    if entry.provider and (entry.provider_model or name) != there["provider_model"]:
        differs.append("provider_model")
    if entry.quantisation and entry.quantisation.lower() != (there["quantisation"] or "best").lower():
        differs.append("quantisation")
    if entry.replicas and entry.replicas != there["replicas_wanted"]:
        differs.append("replicas")
    if entry.idle_unload_s is not None and (entry.idle_unload_s or None) != there.get("idle_unload_s"):
        differs.append("idle_unload_s")
    if entry.prices and not _priced(entry.prices, there):
        differs.append("prices")
    if entry.prices and entry.prices.cost and not _same_terms(entry.prices.cost, there.get("cost")):
        differs.append("cost")
    return differs


def _priced(wanted: PricesEntry, there: Mapping[str, Any]) -> bool:
    """Whether the price holds, or is to from the very time that the file says."""
    if _same_terms(wanted, there.get("prices")):
        return True
    begins = _seconds(wanted.effective_from)
    to_come = there.get("prices_to_come", ())
    return any(one["effective_from"] == begins and _same_terms(wanted, one) for one in to_come)


def _same_terms(wanted: CostEntry, there: Mapping[str, Any] | None) -> bool:
    if there is None:
        return False
    said = _full(msgspec.to_builtins(wanted))
    said["tiers"] = sorted(map(_full, said["tiers"]), key=lambda tier: tier["above_prompt_tokens"])
    defaults: dict[str, Any] = {"tiers": [], "batch_discount": None}
    for name in ("effective_from", "cost"):
        said.pop(name, None)
    return all(there.get(name, defaults.get(name)) == value for name, value in said.items())


def _price_body(prices: PricesEntry) -> dict[str, Any]:
    body: dict[str, Any] = _without_none(msgspec.to_builtins(prices))
    for each in (body, body.get("cost", {})):
        if not each.get("tiers", True):
            del each["tiers"]
    if prices.effective_from is not None:
        body["effective_from"] = _seconds(prices.effective_from)
    return body


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(member) for name, member in value.items() if member is not None}
    return [_without_none(member) for member in value] if isinstance(value, list) else value


def _seconds(given: int | datetime | None) -> int | None:
    if not isinstance(given, datetime):
        return given
    return int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp())


def _full(prices: Mapping[str, Any]) -> dict[str, Any]:
    cached = prices["input"] if prices["cached_input"] is None else prices["cached_input"]
    return {**prices, "cached_input": cached}


def _aliases(fleet: Fleet, present: Present) -> Iterator[Step]:
    for name, target in fleet.aliases.items():
        now = present.aliases.get(name)
        if now != target:
            what = f"alias {name} -> {target}" + (f" (now {now})" if now else "")
            yield Step("~" if now else "+", what, "PUT", f"/aliases/{name}", {"target": target})


def _routes(fleet: Fleet, present: Present) -> Iterator[Step]:
    from argosy.gateway.route_spec import read_spec, written  # only here: the gateway takes a while to import

    for name, members in fleet.routes.items():
        spec, there = read_spec(members), present.routes.get(name)
        if there is None or {key: there[key] for key in spec.__struct_fields__ if key in there} != written(spec):
            what = f"route {name} -> {', '.join(target.model for target in spec.targets)}"
            yield Step("~" if there else "+", what, "PUT", f"/routes/{name}", written(spec))


def _budgets(fleet: Fleet, present: Present) -> Iterator[Step]:
    for name, entry in fleet.budgets.items():
        there = present.budgets.get(name)
        allowed, currency = _parsed(name, entry.amount)
        wanted = {
            "amount": allowed,
            "currency": currency,
            "period": entry.period,
            "hard": entry.hard,
            "thresholds": list(entry.thresholds),
        }
        differs = [member for member, value in wanted.items() if there and there[member] != value]
        if there is None or differs:
            of = {"scope": "organization"} if name == ORGANIZATION else {"scope": "project", "project": name}
            body = {**msgspec.to_builtins(entry), "thresholds": list(entry.thresholds), **of}
            what = f"budget of {name}: {entry.amount}" + (f" ({', '.join(differs)})" if differs else "")
            yield Step("~" if there else "+", what, "PUT", "/budgets", body)


def _parsed(name: str, amount: str) -> tuple[int, str]:
    try:
        return parse_money(amount)
    except ValueError as error:
        raise Invalid(f"The budget of '{name}': {error}", code="invalid_fleet") from None


def _shares(fleet: Fleet, present: Present) -> Iterator[Step]:
    for name, entry in fleet.shares.items():
        there = present.shares.get(name)
        differs = share_differences(entry, there)
        if there is None or differs:
            what = f"share of {entry.owner} in {name}" + (f" ({', '.join(differs)})" if differs else "")
            yield Step("~" if there else "+", what, "PUT", "/shares", _given(share_body(name, entry)))


def _surplus(fleet: Fleet, present: Present) -> Iterator[Step]:
    """What is there and not in the file: names first, then what they stand for, then who answers."""
    for kind, declared, there in (
        ("routes", fleet.routes, present.routes),
        ("aliases", fleet.aliases, present.aliases),
        ("deployments", fleet.deployments, present.deployments),
        ("providers", fleet.providers, present.providers),
    ):
        for name in sorted(there.keys() - declared.keys()):
            yield Step("-", f"{kind.removesuffix('s').replace('aliase', 'alias')} {name}", "DELETE", f"/{kind}/{name}")


def _given(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
