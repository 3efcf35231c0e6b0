"""Prices as bodies of requests and responses have them."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from argosy.billing import Price, Terms, Tier
from argosy.billing.prices import read_date
from argosy.core import Invalid

Rate = Annotated[int, Field(strict=True, description="Micro-units per million tokens: 0.15 USD is 150000")]
FILE_CHARACTERS_MAX = 2_000_000


class NewTier(BaseModel):
    """Other rates for the whole request, above a length of its prompt."""

    model_config = ConfigDict(extra="forbid")

    above_prompt_tokens: Annotated[int, Field(strict=True)]
    input: Rate
    cached_input: Rate | None = None
    output: Rate

    def tier(self) -> Tier:
        """As the price list has it."""
        cached = self.input if self.cached_input is None else self.cached_input
        return Tier(self.above_prompt_tokens, self.input, cached, self.output)


class NewCost(BaseModel):
    """What a provider asks. Micro-units of the currency per million tokens."""

    model_config = ConfigDict(extra="forbid")

    currency: str
    input: Rate
    output: Rate
    cached_input: Rate | None = None
    """Left out, the same as ``input``."""
    training: Rate = 0
    tiers: list[NewTier] = Field(default=[], max_length=16)
    measured: dict[str, Rate] | None = None
    """Micro-units per million of what is counted besides tokens, by `argosy.billing.MEASURED`; left out, as it was."""

    def terms(self) -> Terms:
        """As the price list has them."""
        cached = self.input if self.cached_input is None else self.cached_input
        tiers = tuple(tier.tier() for tier in self.tiers)
        return Terms(self.currency, self.input, cached, self.output, self.training, tiers, self.off, self.measured)

    @property
    def off(self) -> int | None:
        """Percent off in a batch."""
        return None


class NewPrices(NewCost):
    """What we ask."""

    batch_discount: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None
    """Percent off in batches; left out, the platform's."""

    @property
    def off(self) -> int | None:
        """Percent off in a batch."""
        return self.batch_discount


class NewPrice(NewPrices):
    """A version to add. It is never changed: a later one takes its place."""

    model: str
    kind: Literal["sale", "cost"] = "sale"
    provider: str | None = None
    """Who asks it; of a cost only."""
    effective_from: int | str | None = None
    """Unix seconds or ``2027-01-01T00:00:00Z``; left out, at once."""


class PriceFile(BaseModel):
    """A file of prices to carry out, all of it or nothing."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["toml", "csv", "json"]
    content: str = Field(max_length=FILE_CHARACTERS_MAX)
    currency: str | None = None
    """That of the books, on a platform that has no prices yet."""
    dry_run: bool = False
    """Only say what would be done."""


def terms_wire(price: Price) -> dict[str, Any]:
    """What a price says, as a deployment takes it."""
    names = ("currency", "input", "cached_input", "output", "training")
    return {name: getattr(price, name) for name in names} | more_terms(price)


def date_of(given: int | str | None) -> int | None:
    """Unix seconds of what a body says. Raises Invalid."""
    try:
        return None if given is None else read_date(given)
    except ValueError as error:
        raise Invalid(str(error) + ".", code="invalid_date", param="effective_from") from error


def more_terms(price: Price | Terms) -> dict[str, Any]:
    """What a price says besides its rates."""
    tiers = [{name: getattr(tier, name) for name in tier.__struct_fields__} for tier in price.tiers]
    return {"tiers": tiers, "batch_discount": price.batch_discount, "measured": dict(price.measured or {})}
