"""Prices: immutable versions per model, in micro-units per million units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


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


def price_for(prices: Mapping[str, Price], model: str, base_model: str) -> Price | None:
    """The price of a model: its own, or else that of its base; None if neither has one."""
    return prices.get(model) or prices.get(base_model)
