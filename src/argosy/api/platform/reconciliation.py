"""``/v1/reconciliation``: usage rows, ledger and prices held against each other, engines and providers beside them.

It speaks of all projects together, so it is for administrators.
"""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from argosy.api.billing_scope import flush_usage
from argosy.api.context import AdminCaller, PlatformParts
from argosy.billing import reconciliation
from argosy.core import now
from argosy.runtime import Transaction

router = APIRouter(prefix="/v1/reconciliation", tags=["billing"])

_DAY_S = 86_400
Since = Annotated[int | None, Query(ge=0, le=10**11, description="Unix seconds; left out, a day ago.")]


class NewRun(BaseModel):
    """What to look at."""

    model_config = ConfigDict(extra="forbid")

    since: int | None = Field(default=None, ge=0, le=10**11)
    """Unix seconds; left out, a day ago."""


class NewProviderInvoice(BaseModel):
    """A provider's invoice."""

    model_config = ConfigDict(extra="forbid")

    provider: str = Field(min_length=1, max_length=200)
    """The provider's name here."""
    csv: str
    """The file: lines with date, model, input_tokens, output_tokens, amount and currency."""
    columns: dict[str, str] = Field(default_factory=dict, max_length=6)
    """What a field is called in the file, where it is not called by its name."""


@router.post("/run")
def run(body: NewRun, parts: PlatformParts, _: AdminCaller) -> dict[str, Any]:
    """Compare now, and publish what was found in the place of what was found before about the same hours."""
    since = now() - _DAY_S if body.since is None else body.since
    flush_usage(parts)
    found = reconciliation.reconcile(parts.database, since)
    with parts.database.read() as tx:
        return _report(tx, found, since)


@router.get("")
def show(parts: PlatformParts, _: AdminCaller, since: Since = None) -> dict[str, Any]:
    """What was found, by hour and model. ``difference`` is in micro-units, and zero unless something is wrong."""
    start = now() - _DAY_S if since is None else since
    with parts.database.read() as tx:
        return _report(tx, reconciliation.published(tx, start), start)


@router.post("/invoices")
def import_invoice(body: NewProviderInvoice, parts: PlatformParts, _: AdminCaller) -> dict[str, Any]:
    """Import one. The same file again changes nothing; a bad one is refused, with its lines' numbers."""
    data = body.csv.encode(errors="surrogatepass")
    with parts.database.write() as tx:
        made = reconciliation.import_provider_invoice(tx, body.provider, data, body.columns)
    return {"object": "provider_invoice", **asdict(made)}


def _report(tx: Transaction, found: list[reconciliation.Reconciled], since: int) -> dict[str, Any]:
    providers = reconciliation.provider_days(tx, since)
    return {
        "object": "reconciliation",
        "since": since,
        "difference": sum(one.difference for one in found),
        "data": [{"object": "reconciliation.hour", **asdict(one)} for one in found],
        "engines": [asdict(one) for one in reconciliation.engine_hours(tx, since)],
        "providers": [{**asdict(one), "difference": one.difference, "causes": one.causes} for one in providers],
    }
