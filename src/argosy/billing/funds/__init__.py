"""Funds: what an organization, a project or a key may spend; and the holds of requests that are under way."""

from argosy.billing.funds.store import Fund, Scope, add_spent, change_allowed, ensure_prepaid

__all__ = ["Fund", "Scope", "add_spent", "change_allowed", "ensure_prepaid"]
