"""``/v1/budgets``: what an organization, a project or a key may spend, in a month or in all."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from argosy import identity
from argosy.api.context import AdminCaller, MemberCaller, PlatformParts
from argosy.billing import books_currency, funds
from argosy.billing.funds import Fund, Scope
from argosy.core import Invalid, NotFound, format_money, parse_money
from argosy.identity import Caller
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/budgets", tags=["billing"])

_Percent = Annotated[int, Field(ge=1, le=1000)]


class NewBudget(BaseModel):
    """A budget to set. Without ``key`` it is of the project; with ``scope: organization`` of all projects together."""

    model_config = ConfigDict(extra="forbid")

    amount: str = Field(max_length=40)
    """Such as ``25 USD``."""
    scope: Literal["organization", "project", "key"] | None = None
    project: str | None = None
    """Id or name of another project of the organization than the caller's own."""
    key: str | None = None
    """Id of one of the project's keys."""
    period: Literal["month", "none"] = "month"
    """``month``: it begins anew with each month of UTC. ``none``: it is for all times."""
    hard: bool = True
    """Whether requests are refused at its end; else it is only told of."""
    thresholds: list[_Percent] = Field(default=list(funds.THRESHOLDS), max_length=10)
    """Percents at which somebody is told."""


@router.put("")
def put_budget(body: NewBudget, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Set a budget, or change it. It holds within half a second in every process, for all of them together.

    What was spent before it was set does not count.
    """
    allowed, currency = _money(body.amount)
    with platform.database.write() as tx:
        _check_currency(tx, currency)
        scope, subject = _place(tx, caller, body)
        made = funds.put_budget(
            tx,
            caller.organization_id,
            scope,
            subject,
            period=body.period,
            hard=body.hard,
            currency=currency,
            allowed=allowed,
            thresholds=sorted(set(body.thresholds)),
        )
    return wire(made)


@router.get("")
def list_budgets(platform: PlatformParts, caller: MemberCaller) -> dict[str, Any]:
    """All budgets for administrators; for others those of their own key and project."""
    with platform.database.read() as tx:
        found: Sequence[Fund] = funds.list_funds(tx, caller.organization_id, "budget")
    if not caller.may("admin"):
        found = [fund for fund in found if fund.subject in (caller.key_id, caller.project_id)]
    return {"object": "list", "data": [wire(fund) for fund in found], "has_more": False}


@router.get("/{budget_id}")
def get_budget(budget_id: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """One budget."""
    with platform.database.read() as tx:
        return wire(funds.get_fund(tx, caller.organization_id, budget_id))


@router.delete("/{budget_id}")
def remove_budget(budget_id: str, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Take a budget away: nothing is refused for it any more."""
    with platform.database.write() as tx:
        funds.remove_budget(tx, caller.organization_id, budget_id)
    return {"id": budget_id, "object": "budget", "deleted": True}


def wire(fund: Fund) -> dict[str, Any]:
    """A fund as JSON. Amounts are micro-units."""
    return {
        "id": fund.id,
        "object": "budget",
        "scope": fund.scope,
        "subject": fund.subject,
        "period": fund.period,
        "hard": fund.hard,
        "currency": fund.currency,
        "amount": fund.allowed,
        "spent": fund.spent,
        "held": fund.held,
        "remaining": fund.remaining,
        "remaining_text": format_money(fund.remaining, fund.currency),
        "thresholds": list(fund.thresholds),
        "begins_anew_at": funds.next_month(fund.period_start) if fund.period == "month" else None,
        "created_at": fund.created_at,
    }


def _money(amount: str) -> tuple[int, str]:
    try:
        found = parse_money(amount)
    except ValueError as error:
        raise Invalid(f"{error}.".replace("..", "."), code="invalid_amount", param="amount") from None
    if found[0] == 0:
        raise Invalid("A budget of nothing would refuse everything. Revoke the key for that.", code="invalid_amount")
    return found


def _check_currency(tx: Transaction, currency: str) -> None:
    books = books_currency(tx)
    if books and books != currency:
        raise Invalid(
            f"Prices here are in {books}, so a budget in {currency} could not be kept. Convert it to {books}.",
            code="currency_mismatch",
            param="amount",
        )


def _place(tx: Transaction, caller: Caller, body: NewBudget) -> tuple[Scope, str]:
    """Whose budget it is. Raises Invalid for what contradicts itself, NotFound for a key of another project."""
    scope = body.scope or ("key" if body.key else "project")
    if (scope == "key") != (body.key is not None) or (scope == "organization" and body.project):
        raise Invalid(
            "A budget is of the organization, of a project, or of a key: give what fits the scope.",
            code="invalid_budget",
            param="scope",
        )
    if scope == "organization":
        return scope, caller.organization_id
    project = identity.find_project(tx, caller.project_id, body.project).id if body.project else caller.project_id
    if body.key is None:
        return "project", project
    if body.key not in [key.id for key in identity.list_keys(tx, project)]:
        raise NotFound(
            f"There is no key '{body.key}' in this project. GET /v1/keys lists them.", code="key_not_found", param="key"
        )
    return "key", body.key
