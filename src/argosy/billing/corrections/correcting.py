"""Taking a transaction back: a refund of a usage event, or a payout that did not arrive.

What a customer was charged is given back to where it was taken from: what is owed, the prepaid fund, or the granted
credits. Beside it stands `correction`, not `revenue`, which stays what all usage cost. Owners' shares of it are taken
back in proportion; what a provider asks for the answer is owed all the same.

Invariants: no more is ever taken back of a transaction than it was; parts that add up to all of it take back each line
exactly, whatever the parts were; asking twice with one key corrects once.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Literal

from argosy.billing import funds
from argosy.billing.corrections import store
from argosy.billing.corrections.correction import Correction
from argosy.billing.ledger import (
    CASH,
    CORRECTION,
    CREDITS,
    OWNER_PAYABLE,
    PREPAID,
    PROVIDER_COST,
    PROVIDER_PAYABLE,
    RECEIVABLE,
    REVENUE,
    SHARE_COST,
    Entry,
    lines_of,
    lock,
    post,
)
from argosy.billing.store import next_posting
from argosy.core import Conflict, Invalid, NotFound, format_money, new_id, now
from argosy.runtime import Transaction

_OWNERS = (SHARE_COST, OWNER_PAYABLE)
_PROVIDERS = (PROVIDER_COST, PROVIDER_PAYABLE)
_USAGE = {RECEIVABLE, PREPAID, CREDITS, REVENUE}
_PAYOUT = {OWNER_PAYABLE, CASH}


def correct(
    tx: Transaction, transaction_id: str, amount: int | None, *, reason: str, idempotency_key: str, key_id: str
) -> Correction:
    """Take back ``amount`` micro-units of a transaction, or all that is left of it.

    Raises NotFound for a transaction that is not there, Invalid, and Conflict for more than is left of it, for one that
    has a way back of its own, and for another correction under the same key.
    """
    lock(tx)
    for there in store.list_corrections(tx, idempotency_key=idempotency_key):
        return _asked_before(there, transaction_id, amount)
    lines = lines_of(tx, transaction_id)
    if not lines:
        raise NotFound(
            f"There is no transaction '{transaction_id}' in the ledger. 'argosy ledger entries' lists them.",
            code="transaction_not_found",
            param="transaction_id",
        )
    main, shares = _sides(lines)
    whole, before = sum(max(0, line.amount) for line in main), store.taken_back(tx, transaction_id)
    part = _part(whole - before, amount, lines[0].currency)
    correction = Correction(
        new_id("corr_"),
        transaction_id,
        part,
        lines[0].currency,
        reason,
        idempotency_key,
        key_id,
        now(),
        next_posting(tx),
    )
    store.insert_correction(tx, correction)
    entries = list(_reversed(correction.id, main, shares, range(before, before + part), whole))
    post(tx, entries)
    _refill(tx, correction, entries)
    return correction


def _sides(lines: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """What the amount is about, and the shares that follow it. Raises Conflict for what is taken back otherwise."""
    if lines[0].usage_id is None:
        main, shares, may = list(lines), [], _PAYOUT
    else:
        main = [line for line in lines if line.account not in (*_OWNERS, *_PROVIDERS)]
        shares, may = [line for line in lines if line.account in _OWNERS], _USAGE
    if not {line.account for line in main} <= may:
        raise Conflict(
            "Only usage and payouts are corrected. An invoice has credit notes; a correction is final: charge or pay "
            "anew.",
            code="not_correctable",
            param="transaction_id",
        )
    return main, shares


def _part(left: int, amount: int | None, currency: str) -> int:
    if amount is not None and amount <= 0:
        raise Invalid("A correction is more than zero.", code="invalid_correction", param="amount")
    if left <= 0:
        raise Conflict("Nothing is left of this transaction to take back.", code="nothing_left", param="transaction_id")
    if amount is not None and amount > left:
        raise Conflict(
            f"Of this transaction {format_money(left, currency)} are left, less than {format_money(amount, currency)}.",
            code="correction_above_original",
            param="amount",
        )
    return left if amount is None else amount


def _reversed(id_: str, main: Sequence[Entry], shares: Sequence[Entry], part: range, whole: int) -> Iterator[Entry]:
    """Entries that take back this part of the whole: of its lines those that fill it, of shares a proportion."""
    for debit in (True, False):
        side = [line for line in main if line.amount and (line.amount > 0) == debit]
        ends = accumulate((abs(line.amount) for line in side), initial=0)
        for line, (start, end) in zip(side, pairwise(ends), strict=True):
            taken = min(end, part.stop) - max(start, part.start)
            if taken > 0:
                account = CORRECTION if line.account == REVENUE else line.account
                yield line._replace(transaction_id=id_, account=account, amount=-taken if debit else taken)
    for line in shares:
        taken = abs(line.amount) * part.stop // whole - abs(line.amount) * part.start // whole
        if taken:
            yield line._replace(transaction_id=id_, amount=-taken if line.amount > 0 else taken)


def _refill(tx: Transaction, correction: Correction, entries: Sequence[Entry]) -> None:
    """What a prepaid fund had paid can be spent again."""
    kinds: dict[str, Literal["top_up", "grant"]] = {PREPAID: "top_up", CREDITS: "grant"}
    for account, kind in kinds.items():
        back = -sum(entry.amount for entry in entries if entry.account == account)
        if back and (fund := store.fund_of(tx, correction.transaction_id)):
            funds.give_back(tx, fund, kind, back, f"{correction.id} of {correction.transaction_id}")


def _asked_before(there: Correction, transaction_id: str, amount: int | None) -> Correction:
    if there.transaction_id != transaction_id or amount not in (None, there.amount):
        raise Conflict(
            f"This idempotency key was used for {there.id}, which differs. Use a new one for a new correction.",
            code="idempotency_key_reused",
            param="idempotency_key",
        )
    return there
