"""``/v1/credits``: money that the organization paid ahead or was given, what it pays for, and how much is left.

Amounts are integers in micro-units, or texts such as ``"25 USD"``.
"""

from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from argosy import catalog, identity
from argosy.api.billing_scope import flush_usage
from argosy.api.context import AdminCaller, BillingCaller, PlatformParts
from argosy.billing import credits, current_prices
from argosy.billing.credits import Balance, Credit, NewCredit
from argosy.billing.funds import Scope
from argosy.core import Invalid, NotFound, parse_money
from argosy.identity import Caller
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/credits", tags=["billing"])

_SCOPES = "'organization', 'project:<id>', 'key:<id>' or 'model:<name>'"


class CreditRequest(BaseModel):
    """A credit to make."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["top_up", "grant"]
    amount: StrictInt | Annotated[StrictStr, Field(max_length=40)]
    """Micro-units, or an amount with its currency, such as "25 USD"."""
    currency: str | None = Field(default=None, pattern="^[A-Za-z]{3}$")
    scope: str | None = Field(default=None, max_length=220)
    """What it pays for: organization, project:<id>, key:<id> or model:<name>."""
    expires_at: StrictInt | None = Field(default=None, ge=0, le=10**12)
    """Unix seconds; of grants only."""
    note: str = Field(default="", max_length=200)
    idempotency_key: str | None = Field(default=None, min_length=1, max_length=200)


@router.post("")
def create_credit(
    body: CreditRequest,
    platform: PlatformParts,
    caller: AdminCaller,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> dict[str, Any]:
    """Book money that was paid (``top_up``), or give some (``grant``). From the first credit for the organization on,
    nothing of it is served unpaid; one for a project, key or model pays where it can, and refuses nothing.

    With an idempotency key, in the body or as a header, asking again gives the same credit.
    """
    amount, currency = _money(body)
    key = body.idempotency_key or idempotency_key
    with platform.database.write() as tx:
        scope, subject = _place(tx, caller, body.scope)
        new = NewCredit(
            kind=body.kind,
            amount=amount,
            currency=currency,
            scope=scope,
            subject=subject,
            expires_at=body.expires_at,
            note=body.note,
        )
        return _wire(credits.add_credit(tx, caller.organization_id, new, key))


@router.get("")
def list_credits(
    platform: PlatformParts,
    caller: BillingCaller,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Credits, newest first: of the whole organization for administrators, for others what pays for their project."""
    flush_usage(platform)
    with platform.database.read() as tx:
        found = credits.list_credits(tx, caller.organization_id, _subjects(tx, caller), after, limit + 1)
    data = [_wire(credit) for credit in found[:limit]]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(found) > limit,
    }


@router.get("/balance")
def balance(platform: PlatformParts, caller: BillingCaller) -> dict[str, Any]:
    """What is left in each scope, and how much of it requests under way hold."""
    flush_usage(platform)
    with platform.database.read() as tx:
        found = credits.list_balances(tx, caller.organization_id, _subjects(tx, caller))
    return {"object": "list", "data": [_balance(one) for one in found], "has_more": False}


def _money(body: CreditRequest) -> tuple[int, str]:
    """Micro-units and the currency. Raises Invalid."""
    if isinstance(body.amount, int):
        if body.currency is None:
            raise Invalid(
                "Give the 'currency' of the amount, such as USD.", code="missing_required_parameter", param="currency"
            )
        return body.amount, body.currency.upper()
    try:
        amount, currency = parse_money(body.amount)
    except ValueError as error:
        raise Invalid(f"{error}.", code="invalid_amount", param="amount") from error
    if body.currency is not None and body.currency.upper() != currency:
        raise Invalid(
            f"The amount is in {currency}, but the currency says {body.currency.upper()}.",
            code="currency_mismatch",
            param="currency",
        )
    return amount, currency


def _place(tx: Transaction, caller: Caller, wanted: str | None) -> tuple[Scope, str]:
    """What the credit pays for. Raises Invalid without a scope, NotFound for one that is not the organization's."""
    kind, _, name = (wanted or "").partition(":")
    if kind not in get_args(Scope) or (kind == "organization") == bool(name):
        raise Invalid(
            f"Say what the credit pays for: 'scope' is {_SCOPES}. A credit without one would pay for everything.",
            code="missing_scope_of_credit" if not wanted else "invalid_scope_of_credit",
            param="scope",
        )
    match kind:
        case "project":
            return "project", identity.find_project(tx, caller.project_id, name).id
        case "key":
            return "key", _key(tx, caller, name)
        case "model":
            return "model", _model(tx, caller, name)
    return "organization", caller.organization_id


def _key(tx: Transaction, caller: Caller, wanted: str) -> str:
    for project in identity.list_projects(tx, caller.project_id):
        if wanted in [key.id for key in identity.list_keys(tx, project.id)]:
            return wanted
    raise NotFound(
        f"There is no key '{wanted}' in this organization. GET /v1/keys lists a project's.",
        code="key_not_found",
        param="scope",
    )


def _model(tx: Transaction, caller: Caller, wanted: str) -> str:
    """A model that has a price or a card, or that the organization made. An alias may move, so it is none."""
    known = wanted in current_prices(tx) or wanted in catalog.cards()
    for project in identity.list_projects(tx, caller.project_id):
        for alias in catalog.list_aliases(tx, project.id):
            if alias.name == wanted:
                raise Invalid(
                    f"'{wanted}' is an alias, and may move. Give the credit to the model, 'model:{alias.target}'.",
                    code="credit_of_alias",
                    param="scope",
                )
        known = known or wanted in [model.name for model in catalog.list_models(tx, project.id)]
    if not known:
        raise NotFound(
            f"There is no model '{wanted}'. 'argosy models' lists what there is.", code="model_not_found", param="scope"
        )
    return wanted


def _subjects(tx: Transaction, caller: Caller) -> list[str] | None:
    """Whose credits the caller may see; None for all of the organization."""
    if caller.may("admin"):
        return None
    keys = [key.id for key in identity.list_keys(tx, caller.project_id)]
    return [caller.organization_id, caller.project_id, *keys]


def _scope(scope: str, subject: str) -> str:
    return scope if scope == "organization" else f"{scope}:{subject}"


def _wire(credit: Credit) -> dict[str, Any]:
    return {
        "id": credit.id,
        "object": "credit",
        "kind": credit.kind,
        "scope": _scope(credit.scope, credit.subject),
        "currency": credit.currency,
        "amount": credit.amount,
        "remaining": credit.remaining,
        "spent": credit.spent,
        "expired": credit.expired,
        "expires_at": credit.expires_at,
        "expired_at": credit.expired_at,
        "note": credit.note,
        "fund_id": credit.fund_id,
        "created_at": credit.created_at,
    }


def _balance(balance: Balance) -> dict[str, Any]:
    return {
        "object": "credit.balance",
        "fund_id": balance.fund_id,
        "scope": _scope(balance.scope, balance.subject),
        "currency": balance.currency,
        "remaining": balance.remaining,
        "granted": balance.granted,
        "paid": balance.remaining - balance.granted,
        "held": balance.held,
        "available": max(0, balance.remaining - balance.held),
        "spent": balance.spent,
    }
