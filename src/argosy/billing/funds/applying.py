"""Which funds somebody's work is of: all budgets must have room for it, and of what is prepaid one pays. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from argosy.billing.funds.store import Fund

_NARROW = ("model", "key", "project", "organization")
"""Who pays, where several could: the narrowest first."""


class Payer(NamedTuple):
    """Whose work it is, and of which model."""

    organization_id: str
    project_id: str
    key_id: str | None
    model: str


class Applying(NamedTuple):
    """The funds that one payer's work is of."""

    budgets: list[Fund]
    prepaid: list[Fund]
    """The narrowest first."""

    @property
    def prepaid_only(self) -> bool:
        """Whether nothing is done that was not paid ahead."""
        return any(fund.scope == "organization" for fund in self.prepaid)


def applying(payer: Payer, found: Iterable[Fund]) -> Applying:
    """Those of these funds that a payer's work is of."""
    subjects = {"organization": payer.organization_id, "project": payer.project_id, "key": payer.key_id}
    subjects["model"] = payer.model
    mine = [one for one in found if (one.organization_id, one.subject) == (payer.organization_id, subjects[one.scope])]
    prepaid = sorted((fund for fund in mine if fund.kind == "prepaid"), key=lambda fund: _NARROW.index(fund.scope))
    return Applying([fund for fund in mine if fund.kind == "budget"], prepaid)
