"""SQL of billing profiles."""

from dataclasses import dataclass

import msgspec
from sqlalchemy import delete, insert, select

from argosy.billing.invoices.records import Party
from argosy.billing.invoices.tables import billing_profiles
from argosy.core import now
from argosy.identity import organization_of
from argosy.runtime import Transaction

LANGUAGES = ("en", "zh")
"""Languages that documents can be in."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the next invoices of an organization say at their head. Those that were closed keep what they said."""

    customer: Party
    issuer: Party
    tax_name: str = ""
    tax_rate: int = 0
    """Hundredths of a percent."""
    language: str = "en"


def profile_of(tx: Transaction, project_id: str) -> Profile:
    """The profile of the project's organization; without one, its name and no tax. Raises NotFound."""
    organization = organization_of(tx, project_id)
    row = tx.execute(select(billing_profiles).filter_by(organization_id=organization.id)).one_or_none()
    if row is None:
        return Profile(Party(organization.name), Party("Argosy"))
    customer, issuer = (msgspec.json.decode(text, type=Party) for text in (row.customer, row.issuer))
    return Profile(customer, issuer, row.tax_name, row.tax_rate, row.language)


def put_profile(tx: Transaction, project_id: str, profile: Profile) -> None:
    """Set the profile of the project's organization, for invoices from now on. Raises NotFound."""
    organization_id = organization_of(tx, project_id).id
    parties = {
        name: msgspec.json.encode(party).decode()
        for name, party in (("customer", profile.customer), ("issuer", profile.issuer))
    }
    rest = {"tax_name": profile.tax_name, "tax_rate": profile.tax_rate, "language": profile.language}
    tx.execute(delete(billing_profiles).where(billing_profiles.c.organization_id == organization_id))
    tx.execute(insert(billing_profiles).values(organization_id=organization_id, **parties, **rest, updated_at=now()))
