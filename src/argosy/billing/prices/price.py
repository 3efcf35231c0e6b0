"""Prices: immutable versions per model, in micro-units per million units. Pure: no clock, no database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from argosy.billing.usage import PER_REQUEST


class Tariff(Protocol):
    """What a model costs, as its card says it. Amounts are micro-units per million units. One that also has ``tiers``,
    a ``batch_discount`` or ``measured``, as `Terms` do, is taken with them.
    """

    @property
    def currency(self) -> str:
        """ISO 4217, such as ``USD``."""

    @property
    def input(self) -> int:
        """Tokens of a prompt that had to be read."""

    @property
    def cached_input(self) -> int:
        """Tokens of a prompt that were still in the engine's memory."""

    @property
    def output(self) -> int:
        """Tokens of an answer."""

    @property
    def training(self) -> int:
        """Tokens of training rows, times epochs."""


class Tier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other rates for the whole request where its prompt is long."""

    above_prompt_tokens: int
    """It holds for requests with more tokens of prompt, the cached ones among them, in all of their prompts."""
    input: int
    cached_input: int
    output: int


_TIERS = msgspec.json.Decoder(tuple[Tier, ...])
_MEASURED = msgspec.json.Decoder(dict[str, int])


@dataclass(frozen=True, slots=True)
class Terms:
    """A tariff with all that a price can say."""

    currency: str
    input: int
    cached_input: int
    output: int
    training: int = 0
    tiers: tuple[Tier, ...] = ()
    batch_discount: int | None = None
    """Percent off in a batch; None: the platform's."""
    measured: Mapping[str, int] | None = field(default=None, hash=False)
    """Micro-units per million of what is counted besides tokens, by `argosy.billing.MEASURED`; None: as it was."""


@dataclass(frozen=True, slots=True)
class Price:
    """One version of a model's price, or of what a provider asks. Never changed: a new price is a new version."""

    id: str
    model: str
    version: int
    """1, 2, ... in the order in which they were made."""
    currency: str
    input: int
    cached_input: int
    output: int
    training: int
    created_at: int
    effective_from: int = 0
    """Unix seconds: in force from then on, until the next one is."""
    tiers: tuple[Tier, ...] = ()
    """By `Tier.above_prompt_tokens`, lowest first."""
    batch_discount: int | None = None
    """Percent off in a batch; None: the platform's."""
    measured: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Micro-units per million of what is counted besides tokens, by `argosy.billing.MEASURED`; what costs nothing is
    left out.
    """
    provider: str = ""
    """Whose price it is; empty for our own."""

    @property
    def per_request(self) -> str:
        """Which of `argosy.billing.PER_REQUEST` requests are counted by besides tokens; empty for none."""
        return next((name for name in PER_REQUEST if name in self.measured), "") if self.measured else ""

    def tier(self, prompt_tokens: int) -> int:
        """Which tier a prompt of this length is in, by its `Tier.above_prompt_tokens`; 0 for none."""
        found = 0
        for tier in self.tiers:
            if prompt_tokens > tier.above_prompt_tokens:
                found = tier.above_prompt_tokens
        return found

    def rates(self, tier: int) -> "Price | Tier":
        """What has the rates of input, cached input and output in a tier, as `tier` names it."""
        if tier:
            for one in self.tiers:
                if one.above_prompt_tokens == tier:
                    return one
        return self


def price_for(prices: Mapping[str, Price], model: str, base_model: str) -> Price | None:
    """The price of a model: its own, or else that of its base; None if neither has one."""
    return prices.get(model) or prices.get(base_model)


def in_force(versions: Iterable[Price], at: int) -> dict[tuple[str, str], Price]:
    """What holds at a time in unix seconds, by provider (empty for our own prices) and model.

    A version that was to hold at once does, even if a clock that was wrong then says that it was made tomorrow.
    """
    found: dict[tuple[str, str], Price] = {}
    for price in sorted(versions, key=lambda price: (price.effective_from, price.version)):
        if price.effective_from <= max(at, price.created_at):
            found[price.provider, price.model] = price
    return found


def tiers_of(text: str) -> tuple[Tier, ...]:
    """Tiers as a row has them."""
    return _TIERS.decode(text) if text else ()


def tier_rates(text: str, tier: int) -> dict[str, int]:
    """The rates by quantity of one tier, of a row's tiers; empty for none."""
    if not tier:
        return {}
    rates = next(one for one in tiers_of(text) if one.above_prompt_tokens == tier)
    return {"input": rates.input, "cached_input": rates.cached_input, "output": rates.output}


def measured_of(text: str) -> dict[str, int]:
    """Prices of what is counted besides tokens, as a row has them."""
    return _MEASURED.decode(text) if text else {}


def measured_text(measured: Mapping[str, int]) -> str:
    """The same as a row is to have them: one text for one set of prices, empty for none."""
    priced = {name: measured[name] for name in sorted(measured) if measured[name]}
    return msgspec.json.encode(priced).decode() if priced else ""


def tiers_text(tiers: Iterable[Tier]) -> str:
    """Tiers as a row is to have them: lowest first, empty for none."""
    ordered = sorted(tiers, key=lambda tier: tier.above_prompt_tokens)
    return msgspec.json.encode(ordered).decode() if ordered else ""
