"""What stands at the head of an organization's invoices: who issues them, who pays, which tax, in which language."""

from argosy.billing.invoices.profiles.store import LANGUAGES, Profile, profile_of, put_profile

__all__ = ["LANGUAGES", "Profile", "profile_of", "put_profile"]
