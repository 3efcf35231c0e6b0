"""Funds: what an organization, a project or a key may spend; and the holds of requests that are under way."""

from argosy.billing.funds.store import Fund, change_allowed, ensure_prepaid, give_back

__all__ = ["Fund", "change_allowed", "ensure_prepaid", "give_back"]
