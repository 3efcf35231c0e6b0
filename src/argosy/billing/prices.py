"""Prices: immutable versions per model, in micro-units per million units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec


class Tariff(Protocol):
    """What a model costs, as its card says it. Amounts are micro-units per million units."""

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


@dataclass(frozen=True, slots=True)
class Free:
    """The tariff of what costs nothing."""

    currency: str
    input: int = 0
    cached_input: int = 0
    output: int = 0
    training: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """One version of a model's price. Never changed: a new price is a new version."""

    id: str
    model: str
    version: int
    """1, 2, ... per model: the highest one is the present price."""
    currency: str
    input: int
    cached_input: int
    output: int
    training: int
    created_at: int
    measured: str = ""
    """Micro-units per million of what is counted besides tokens, as JSON by name; empty for none."""

    def of_measured(self, name: str) -> int:
        """Micro-units per million units of one of `argosy.billing.MEASURED`; 0 if they cost nothing."""
        return read_measured(self.measured).get(name, 0)


_MEASURED = msgspec.json.Decoder(dict[str, int])


def read_measured(text: str) -> dict[str, int]:
    """Prices of what is counted besides tokens, as a price version has them."""
    return _MEASURED.decode(text) if text else {}


def write_measured(prices: Mapping[str, int]) -> str:
    """The same for a price version: one text for one set of prices."""
    priced = {name: prices[name] for name in sorted(prices) if prices[name]}
    return msgspec.json.encode(priced).decode() if priced else ""


def price_for(prices: Mapping[str, Price], model: str, base_model: str) -> Price | None:
    """The price of a model: its own, or else that of its base; None if neither has one."""
    return prices.get(model) or prices.get(base_model)
