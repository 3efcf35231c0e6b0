"""Adding a credit: money that came in is owed to who paid it; a gift costs nothing until it is used.

A top-up is a liability, so it is a ledger transaction of its own: debit `cash`, credit `prepaid`. A grant owes nobody
anything: it may expire, and cannot be paid out. Only what is used of it is posted, as a cost, with the usage.
"""

from argosy.billing import ledger
from argosy.billing.credits import store
from argosy.billing.credits.credit import AMOUNT_MAX, NOTE_MAX, Credit, NewCredit
from argosy.billing.funds import change_allowed, ensure_prepaid
from argosy.billing.ledger.accounts import CASH, PREPAID, Entry
from argosy.billing.prices import books_currency
from argosy.core import Conflict, Internal, Invalid, new_id, now
from argosy.runtime import Transaction

_ALLOWED_MAX = 10**18
_KEY_MAX = 200


def add_credit(tx: Transaction, organization_id: str, new: NewCredit, idempotency_key: str | None = None) -> Credit:
    """Put a credit into the prepaid fund of its scope, which is made if there is none. With a key, asking again gives
    the credit that was made first. Raises Invalid, or Conflict for a key that was used for something else.
    """
    credit_id = new_id("credit_")
    if idempotency_key is not None:
        _check_key(idempotency_key)
        asked, first = store.remember_request(tx, organization_id, idempotency_key, new.digest(), credit_id)
        if asked != new.digest():
            raise Conflict(
                "This idempotency key was used for another credit. Take a new key for a new credit.",
                code="idempotency_key_reused",
                param="idempotency_key",
            )
        if first != credit_id:
            return _found(tx, organization_id, first)
    _check(tx, new)
    ledger.lock(tx)  # before the fund, as everybody does
    fund = ensure_prepaid(tx, organization_id, new.scope, new.subject, new.currency)
    if fund.allowed + new.amount > _ALLOWED_MAX:
        raise Invalid("That is more than a balance can hold.", code="amount_too_large", param="amount")
    change_allowed(tx, fund.id, new.amount)
    store.insert_credit(tx, credit_id, fund.id, new)
    if new.kind == "top_up":
        moves = ((CASH, new.amount), (PREPAID, -new.amount))
        ledger.post(
            tx,
            [Entry(credit_id, account, "", amount, new.currency, party=organization_id) for account, amount in moves],
        )
    return _found(tx, organization_id, credit_id)


def _found(tx: Transaction, organization_id: str, credit_id: str) -> Credit:
    found = store.find_credit(tx, organization_id, credit_id)
    if found is None:
        raise Internal(f"The credit {credit_id} is gone.", code="credit_lost")
    return found


def _check(tx: Transaction, new: NewCredit) -> None:
    if not 0 < new.amount <= AMOUNT_MAX:
        raise Invalid(
            f"An amount is more than 0 and at most {AMOUNT_MAX} micro-units, not {new.amount}. "
            "What was booked by mistake is corrected in the ledger.",
            code="invalid_amount",
            param="amount",
        )
    if new.expires_at is not None and new.kind == "top_up":
        raise Invalid(
            "Money that was paid does not expire: leave out 'expires_at', or make it a grant.",
            code="top_up_expires",
            param="expires_at",
        )
    if new.expires_at is not None and new.expires_at <= now():
        raise Invalid("'expires_at' must lie in the future.", code="expires_in_the_past", param="expires_at")
    if len(new.note) > NOTE_MAX or not new.note.isprintable():
        raise Invalid(f"A note has at most {NOTE_MAX} printable characters.", code="invalid_note", param="note")
    books = books_currency(tx)
    if books and new.currency != books:
        raise Invalid(
            f"Prices here are in {books}, and this is in {new.currency}. Convert it first.",
            code="currency_mismatch",
            param="currency",
        )


def _check_key(key: str) -> None:
    if not 0 < len(key) <= _KEY_MAX or not key.isprintable():
        raise Invalid(
            f"An idempotency key has 1 to {_KEY_MAX} printable characters.",
            code="invalid_idempotency_key",
            param="idempotency_key",
        )
