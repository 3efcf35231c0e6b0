"""The ledger as a whole: trial balance, entries of all projects, its chain of hashes, corrections. For administrators.

What one project owes is at ``/v1/ledger`` itself.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from argosy.api.billing_scope import flush_usage
from argosy.api.context import AdminCaller, PlatformParts
from argosy.billing import corrections, ledger
from argosy.billing.corrections import Correction
from argosy.billing.ledger import ACCOUNTS, FIRST_HASH, EntryFilter, Verification
from argosy.core import Invalid
from argosy.runtime import Database

router = APIRouter(prefix="/v1/ledger", tags=["billing"])

_Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Key = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")]
_Hash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Verify(BaseModel):
    """What to hold the ledger against."""

    model_config = ConfigDict(extra="forbid")

    head: _Hash | None = None
    """A hash that was noted before, and must be in the chain."""
    stream: bool = False
    """Tell on the way how far it is, as events; the last one is ``done``."""


class NewCorrection(BaseModel):
    """What to take back, and why."""

    model_config = ConfigDict(extra="forbid")

    transaction_id: Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")]
    """A usage event's id (``req_...``, a job's, a batch line's), or a payout's."""
    amount: Annotated[int, Field(ge=1, le=10**18)] | None = None
    """Micro-units; by default all that is left of it."""
    reason: _Text
    idempotency_key: _Key
    """Of your choice: asking twice with one key corrects once."""


@router.get("/trial-balance")
def trial_balance(parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """All accounts of all projects: debits, credits and balance in micro-units. In each currency they sum to zero."""
    flush_usage(parts)
    with parts.database.read() as tx:
        found = ledger.trial_balance(tx)
    totals: dict[str, dict[str, int]] = {}
    for one in found:
        total = totals.setdefault(one.currency, {"debit": 0, "credit": 0, "balance": 0})
        for name in total:
            total[name] += getattr(one, name)
    data = [one._asdict() | {"balance": one.balance} for one in found]
    sound = not any(total["balance"] for total in totals.values())
    return {"object": "ledger.trial_balance", "data": data, "totals": totals, "balanced": sound}


@router.get("/entries")
def entries(
    parts: PlatformParts,
    caller: AdminCaller,
    account: str | None = None,
    project_id: str | None = None,
    party: Annotated[str | None, Query(description="A model's owner, a provider, a customer.")] = None,
    model: str | None = None,
    transaction_id: str | None = None,
    since: Annotated[int | None, Query(ge=0, le=10**11)] = None,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """Entries of all projects, in the order in which they were posted."""
    if account is not None and account not in ACCOUNTS:
        raise Invalid(
            f"There is no account '{account}'. The accounts are {', '.join(ACCOUNTS)}.",
            code="unknown_account",
            param="account",
        )
    wanted = EntryFilter(account, project_id, party, model, transaction_id, since)
    flush_usage(parts)
    with parts.database.read() as tx:
        found = ledger.find_entries(tx, wanted, after, limit + 1)
    data = [{"object": "ledger.entry", **row._mapping} for row in found[:limit]]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": len(found) > limit}


@router.get("/head")
def head(parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Where the chain ends. Note the hash elsewhere: with it, even a ledger that was made anew shows."""
    flush_usage(parts)
    with parts.database.read() as tx:
        found = ledger.read_head(tx)
    number, last, hash_ = (0, 0, FIRST_HASH) if found is None else found[:3]
    return {"object": "ledger.head", "block": number, "last_entry": last, "hash": hash_}


@router.post("/verify", response_model=None)
def verify(body: Verify, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any] | StreamingResponse:
    """Go through the whole ledger: is everything there, unchanged, in order and balanced?

    A million entries take a few seconds.
    """
    flush_usage(parts)
    if body.stream:
        return StreamingResponse(_told(parts.database, body.head), media_type="text/event-stream")
    with parts.database.read() as tx:
        return _verification(ledger.verify(tx, body.head), done=True)


@router.post("/corrections")
def post_correction(body: NewCorrection, parts: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Take a usage event's charge back, or a payout, in whole or in part: by new entries, with the owners' shares."""
    flush_usage(parts)
    with parts.database.write() as tx:
        made = corrections.correct(
            tx,
            body.transaction_id,
            body.amount,
            reason=body.reason,
            idempotency_key=body.idempotency_key,
            key_id=caller.key_id,
        )
    return _correction(made)


@router.get("/corrections")
def list_corrections(parts: PlatformParts, caller: AdminCaller, transaction_id: str | None = None) -> dict[str, Any]:
    """Corrections, newest first: all, or those of one transaction."""
    with parts.database.read() as tx:
        found = corrections.list_corrections(tx, transaction_id)
    return {"object": "list", "data": [_correction(one) for one in found], "has_more": False}


def _told(database: Database, known: str | None) -> Iterator[str]:
    """Reports as server-sent events; the last one is ``done``."""
    with database.read() as tx:
        report = Verification()
        for report in ledger.verifying(tx, known):
            yield f"data: {json.dumps(_verification(report, done=False))}\n\n"
    yield f"data: {json.dumps(_verification(report, done=True))}\n\ndata: [DONE]\n\n"


def _verification(found: Verification, *, done: bool) -> dict[str, Any]:
    return {
        "object": "ledger.verification",
        "done": done,
        "sound": done and not found.problems,
        "blocks": found.blocks,
        "entries": found.entries,
        "older": found.older,
        "head": found.head,
        "problems": list(found.problems),
    }


def _correction(correction: Correction) -> dict[str, Any]:
    return {"object": "ledger.correction"} | {name: getattr(correction, name) for name in type(correction).__slots__}
