"""``/v1/meters``: what is counted besides tokens, and what it costs."""

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from argosy import billing
from argosy.api.context import AdminCaller, BillingCaller, PlatformParts
from argosy.billing.prices.checks import terms_of
from argosy.core import Invalid
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/meters", tags=["billing"])

Meter = Literal["engine_seconds", "storage_mib_hours", "images", "characters"]
_SAYS = {
    billing.ENGINE_SECONDS: "Seconds that an engine runs which is dedicated to one project, called or not.",
    billing.STORAGE_MIB_HOURS: "Mebibytes (2**20 bytes) of files times hours, each hour rounded up to a whole one.",
    billing.IMAGES: "Images that a request brings.",
    billing.CHARACTERS: "Characters of the texts that a request brings and of what is answered.",
}


class NewPrice(BaseModel):
    """What a meter's units are to cost from now on, at one model."""

    model_config = ConfigDict(extra="forbid")

    price: int = Field(ge=0, le=10**15)
    """Micro-units of the books' currency per million units."""
    model: Annotated[str, Field(min_length=1, max_length=200)] = billing.STORAGE
    """The model whose use is counted; ``storage`` for what is stored."""


@router.get("")
def list_meters(parts: PlatformParts, caller: BillingCaller) -> dict[str, Any]:
    """All meters with the present prices of their units, by model. What has no price is counted and costs nothing."""
    with parts.database.read() as tx:
        return {"object": "list", "data": [_wire(tx, name) for name in billing.MEASURED], "has_more": False}


@router.put("/{meter}")
def set_price(meter: Meter, body: NewPrice, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Set what a meter's units cost at a model, as a new version of its price. What was counted keeps its price."""
    if (meter == billing.STORAGE_MIB_HOURS) != (body.model == billing.STORAGE):
        raise Invalid(
            "Storage is priced at the model 'storage', and nothing else is. Name the model that is meant.",
            code="wrong_model",
            param="model",
        )
    with parts.database.write() as tx:
        if body.model == billing.STORAGE:
            billing.storage_price(tx)
        present = billing.current_prices(tx).get(body.model)
        if present is None:
            raise Invalid(
                f"'{body.model}' has no price yet, so the books have nothing to add this to. Deploy it first.",
                code="price_missing",
                param="model",
            )
        measured = {**present.measured, meter: body.price}
        billing.ensure_price(tx, body.model, replace(terms_of(present), measured=measured))
        return _wire(tx, meter)


def _wire(tx: Transaction, meter: str) -> dict[str, Any]:
    prices = {
        model: {"price": price.measured[meter], "currency": price.currency.lower(), "version": price.id}
        for model, price in billing.current_prices(tx).items()
        if meter in price.measured
    }
    return {"object": "meter", "id": meter, "description": _SAYS[meter], "prices": prices}
