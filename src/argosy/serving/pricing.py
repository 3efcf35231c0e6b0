"""A price from what was measured: what a token costs on this machine at full load, and a margin on top."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from argosy.core import PERCENT, Invalid, Settings, format_money
from argosy.runtime import Transaction
from argosy.serving.store import list_deployments, list_versions

_MILLION = 1_000_000
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Derived:
    """A proposal, in micro-units per million tokens, and how it came about."""

    model: str
    currency: str
    margin_percent: int
    input: int
    output: int
    input_cost: int
    output_cost: int
    measured: str
    """The form of the weights whose speed it was."""
    arithmetic: tuple[str, ...]
    """Its lines, to be checked by anyone with a pencil."""


def derive_price(tx: Transaction, settings: Settings, model: str, margin_percent: int) -> Derived:
    """The price at which ``margin_percent`` of the revenue are left when the machine is paid, were it always busy.

    Raises Invalid for a model that was not measured here, or without the machine's price.
    """
    if settings.machine_price is None:
        raise Invalid(
            "What this machine costs is not known. Set ARGOSY_MACHINE_PRICE, such as '0.25 USD' an hour, and start "
            "the platform again.",
            code="machine_price_missing",
        )
    form, measured = _measured(tx, model)
    return derive(model, form, measured, settings.machine_price, margin_percent)


def derive(
    model: str, form: str, measured: Mapping[str, Any], machine_price: tuple[int, str], margin_percent: int
) -> Derived:
    """The same from speeds in tokens a second. Rounded up, so that the margin is never missed by a rounding."""
    per_hour, currency = machine_price
    lines = [f"{format_money(per_hour, currency)} an hour, {form} at 16 requests side by side, always busy"]
    costs, prices = [], []
    for name, speed in (("input", measured["read_sixteen"]), ("output", measured["sixteen_streams"])):
        tokens = max(1, int(speed * _HOUR_S))
        cost = -(-per_hour * _MILLION // tokens)
        price = -(-cost * PERCENT // (PERCENT - margin_percent))
        costs.append(cost)
        prices.append(price)
        lines.append(
            f"{name}: {speed:,.1f} tokens a second are {tokens:,} an hour, so a million cost "
            f"{format_money(cost, currency)}; / (1 - {margin_percent} %) = {format_money(price, currency)}"
        )
    return Derived(model, currency, margin_percent, prices[0], prices[1], costs[0], costs[1], form, tuple(lines))


def _measured(tx: Transaction, model: str) -> tuple[str, Mapping[str, Any]]:
    """The form that the deployment serves, and its speeds, as fitting found them."""
    for deployment in list_deployments(tx):
        if deployment.model != model:
            continue
        for version in reversed(list_versions(tx, deployment.id)):
            fit = version.fit or {}
            form = str(fit.get("quantisation", ""))
            one = (fit.get("measured") or {}).get(form)
            if version.number <= deployment.version and one and one["sixteen_streams"] > 0 and one["read_sixteen"] > 0:
                return form, one
    raise Invalid(
        f"The speed of '{model}' was not measured here. 'argosy deploy {model}' measures it as it starts; models of "
        "providers have no speed of ours.",
        code="not_measured",
        param="model",
    )
