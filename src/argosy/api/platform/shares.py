"""``/v1/shares``: what owners of models get of what was charged for them, their statements, and paying them.

Owners have no account here: administrators send them their statements. Amounts are integers in micro-units.
"""

import difflib
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from argosy import catalog
from argosy.api.billing_scope import flush_usage
from argosy.api.context import AdminCaller, PlatformParts
from argosy.billing import current_prices, shares
from argosy.billing.shares import Payout, Rule, Statement, Terms, Tier
from argosy.catalog import ModelVersion
from argosy.core import Invalid, NotFound, format_money, now, now_us
from argosy.identity import list_projects
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/shares", tags=["billing"])

_Text = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Owner = Annotated[str, StringConstraints(min_length=1, max_length=64)]
_Amount = Annotated[int, Field(ge=0, le=10**15)]
_Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
_Seconds = Annotated[int, Field(ge=0, le=10**11)]
_Key = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")]


class NewTier(BaseModel):
    """A percentage for the part of a calendar month's revenue above a threshold."""

    model_config = ConfigDict(extra="forbid")

    above: Annotated[int, Field(ge=1, le=10**18)]
    """Micro-units of what the model and its adapters were charged in the month."""
    basis_points: Annotated[int, Field(ge=0, le=10_000)]


class NewShare(BaseModel):
    """What a model's owner is to get. Percentages are in basis points: 1,250 are 12.5 percent."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    licence: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None
    """Instead of a model: all of the catalog that are under this licence now."""
    owner: _Owner
    owner_name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    currency: _Currency
    basis_points: Annotated[int, Field(ge=0, le=10_000)] = 0
    per_million_tokens: _Amount = 0
    minimum: _Amount = 0
    """For each request that used any token."""
    tiers: Annotated[list[NewTier], Field(max_length=20)] = []
    effective_from: _Seconds | None = None
    """Unix seconds, not in the past; by default the next second."""
    effective_until: _Seconds | None = None
    note: _Text = ""
    supersede: bool = False
    """Take the place of a version whose dates overlap."""


class NewPayout(BaseModel):
    """Money that an owner was paid."""

    model_config = ConfigDict(extra="forbid")

    owner: _Owner
    amount: Annotated[int, Field(ge=1, le=10**18)]
    currency: _Currency
    idempotency_key: _Key
    """Of your choice: asking twice with one key books one payout."""
    note: _Text = ""


@router.put("")
def put_share(body: NewShare, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Agree on a model's share: a new version, which holds for what begins from then on. The same terms change nothing.

    It holds for adapters of the model too, besides what rule they have of their own. For a licence the answer is a
    list, one for each of its models.
    """
    named = body.model_dump(exclude={"model", "licence", "supersede", "tiers"})
    tiers = tuple(Tier(tier.above, tier.basis_points) for tier in body.tiers)
    made = []
    with parts.database.write() as tx:
        for model in _models(body):
            kin, terms = _kin(tx, caller.project_id, model), Terms(model=model, tiers=tiers, **named)
            agreed = shares.agree(tx, terms, key_id=caller.key_id, at=now(), kin=kin, supersede=body.supersede)
            made.append(_rule(agreed))
    return made[0] if body.model is not None else {"object": "list", "data": made, "has_more": False}


@router.get("")
def list_shares(
    parts: PlatformParts, caller: AdminCaller, model: str | None = None, history: bool = False
) -> dict[str, Any]:
    """The latest version of each model's share, or all versions, with what the present month came to so far."""
    flush_usage(parts)
    with parts.database.read() as tx:
        found = shares.rules_of(tx, None if model is None else {model})
        month = shares.months_of(tx, shares.month_number(now_us()))
    rules = [rule for versions in found.values() for rule in (versions if history else versions[-1:])]
    data = [_rule(rule) | _month(month.get(rule.id)) for rule in rules]
    return {"object": "list", "data": data, "has_more": False}


@router.get("/owners")
def list_owners(parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """The owners, and what each is owed."""
    flush_usage(parts)
    with parts.database.read() as tx:
        names, owed = shares.owner_names(tx), shares.payables(tx)
    payable: dict[str, dict[str, int]] = {}
    for row in owed:
        payable.setdefault(row.owner, {})[row.currency] = int(row.payable)
    data = [
        {"id": owner, "object": "share.owner", "name": name, "payable": payable.get(owner, {})}
        for owner, name in sorted(names.items())
    ]
    return {"object": "list", "data": data, "has_more": False}


@router.get("/owners/{owner}/statement")
def get_statement(
    owner: str,
    parts: PlatformParts,
    caller: AdminCaller,
    month: Annotated[str | None, Query(description="Such as 2026-11; by default the present one.")] = None,
    start_time: Annotated[int | None, Query(ge=0, le=10**11)] = None,
    end_time: Annotated[int | None, Query(ge=1, le=10**11)] = None,
    currency: str | None = None,
    form: Annotated[Literal["json", "csv", "html"], Query(alias="format")] = "json",
    lang: Literal["en", "zh"] = "en",
) -> Any:
    """What an owner earned and was paid in a month, or between two times: as JSON, as CSV, or as a page to print."""
    start, end = shares.month_period(month)
    start, end = start if start_time is None else start_time, end if end_time is None else end_time
    flush_usage(parts)
    with parts.database.read() as tx:
        found = shares.state(tx, owner, start, end, currency)
    if form == "csv":
        name = f'attachment; filename="{owner}-{start}-{end}.csv"'
        return Response(shares.to_csv(found), media_type="text/csv", headers={"content-disposition": name})
    if form == "html":
        return HTMLResponse(shares.render_page(found, lang))
    return _statement(found)


@router.post("/payouts")
def post_payout(body: NewPayout, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Book that an owner was paid; never more than is owed."""
    flush_usage(parts)
    with parts.database.write() as tx:
        made = shares.pay_out(
            tx,
            body.owner,
            body.amount,
            body.currency,
            idempotency_key=body.idempotency_key,
            key_id=caller.key_id,
            note=body.note,
        )
    return _payout(made)


@router.get("/payouts")
def list_payouts(parts: PlatformParts, caller: AdminCaller, owner: str | None = None) -> dict[str, Any]:
    """Payouts, newest first."""
    with parts.database.read() as tx:
        found = shares.list_payouts(tx, owner)
    return {"object": "list", "data": [_payout(one) for one in found], "has_more": False}


def _models(body: NewShare) -> list[str]:
    """Whose share it is. Raises Invalid for both or neither, NotFound for a licence that no model here has."""
    if (body.model is None) == (body.licence is None):
        raise Invalid(
            "A share is of a 'model', or of all that are under a 'licence'.", code="invalid_share", param="model"
        )
    if body.model is not None:
        return [body.model]
    terms = catalog.licence(str(body.licence))
    found = [name for name, card in catalog.cards().items() if card.licence == terms.id]
    if not found:
        raise NotFound(f"No model here is under {terms.title}.", code="model_not_found", param="licence")
    return found


def _kin(tx: Transaction, project_id: str, model: str) -> list[str]:
    """The models whose shares are paid of the same charges. Raises NotFound for a name that nothing has here."""
    adapters = _adapters(tx, project_id)
    if model in adapters:
        return [adapters[model].base]
    if model not in catalog.cards() and model not in (priced := current_prices(tx)):
        near = difflib.get_close_matches(model, [*catalog.cards(), *priced, *adapters], n=3, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else "'argosy models' lists what there is."
        raise NotFound(f"There is no model '{model}' here. {hint}", code="model_not_found", param="model")
    return [adapter.name for adapter in catalog.adapters_of(tx, model)]


def _adapters(tx: Transaction, project_id: str) -> dict[str, ModelVersion]:
    """Those of the organization, by name."""
    projects = list_projects(tx, project_id)
    return {made.name: made for project in projects for made in catalog.list_models(tx, project.id)}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "object": "share",
        "model": rule.model,
        "version": rule.version,
        "owner": rule.owner,
        "owner_name": rule.owner_name,
        "currency": rule.currency,
        "basis_points": rule.basis_points,
        "per_million_tokens": rule.per_million_tokens,
        "minimum": rule.minimum,
        "tiers": [tier._asdict() for tier in rule.tiers],
        "effective_from": rule.effective_from,
        "effective_until": rule.effective_until,
        "note": rule.note,
        "key_id": rule.key_id,
        "created_at": rule.created_at,
    }


def _month(row: Any) -> dict[str, Any]:
    names = ("revenue", "share", "events")
    return {"month_so_far": {name: 0 if row is None else int(getattr(row, name)) for name in names}}


def _statement(found: Statement) -> dict[str, Any]:
    return {
        "object": "share.statement",
        "owner": found.owner,
        "owner_name": found.owner_name,
        "currency": found.currency,
        "period_start": found.period_start,
        "period_end": found.period_end,
        "opening": found.opening,
        "lines": [_members(line) for line in found.earned],
        "corrections": [_members(line) for line in found.taken_back],
        "payouts": [_members(line) for line in found.movements],
        "share": found.share,
        "closing": found.closing,
        "closing_text": format_money(found.closing, found.currency),
    }


def _payout(payout: Payout) -> dict[str, Any]:
    return {"object": "share.payout"} | _members(payout)


def _members(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).__slots__}
