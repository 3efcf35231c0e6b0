"""``/v1/billing/profile``: what stands at the head of the organization's next invoices, and which tax is on them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StringConstraints

from argosy.api.context import AdminCaller, PlatformParts
from argosy.api.platform.invoice_wire import party
from argosy.billing import invoices
from argosy.billing.invoices import Party, Profile

router = APIRouter(prefix="/v1/billing/profile", tags=["billing"])

_Line = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Lines = Annotated[str, StringConstraints(max_length=600, pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")]


class PartyBody(BaseModel):
    """Who issues invoices, or who pays."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[_Line, Field(min_length=1)]
    address: _Lines = ""
    """With line breaks."""
    tax_id: _Line = ""

    def record(self) -> Party:
        """The same as `invoices` has it."""
        return Party(self.name, self.address, self.tax_id)


class ProfileBody(BaseModel):
    """A whole profile: what is left out is empty."""

    model_config = ConfigDict(extra="forbid")

    customer: PartyBody
    issuer: PartyBody
    tax_name: Annotated[str, StringConstraints(max_length=40, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    tax_rate: Annotated[StrictInt, Field(ge=0, le=10_000)] = 0
    """Hundredths of a percent: 1,900 are 19 percent."""
    language: Literal["en", "zh"] = "en"


@router.get("")
def get_profile(parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """The organization's profile; before one was set: its name, and no tax."""
    with parts.database.read() as tx:
        return _wire(invoices.profile_of(tx, caller.project_id))


@router.put("")
def put_profile(body: ProfileBody, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Set it for invoices from now on. Those that are closed keep what they say."""
    profile = Profile(body.customer.record(), body.issuer.record(), body.tax_name, body.tax_rate, body.language)
    with parts.database.write() as tx:
        invoices.put_profile(tx, caller.project_id, profile)
    return _wire(profile)


def _wire(profile: Profile) -> dict[str, Any]:
    return {
        "object": "billing.profile",
        "customer": party(profile.customer),
        "issuer": party(profile.issuer),
        "tax_name": profile.tax_name,
        "tax_rate": profile.tax_rate,
        "language": profile.language,
    }
