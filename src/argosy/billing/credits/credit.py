"""A credit: money that an organization paid ahead, or that it was given."""

import hashlib
from dataclasses import dataclass
from typing import Literal

import msgspec

from argosy.billing.funds import Scope

Kind = Literal["top_up", "grant"]

AMOUNT_MAX = 10**15
"""A thousand million of the currency's units, in micro-units: more is a slip of the pen."""
NOTE_MAX = 200


class NewCredit(msgspec.Struct, frozen=True, kw_only=True):
    """A credit to make. ``amount`` is in micro-units, ``expires_at`` in unix seconds."""

    kind: Kind
    amount: int
    currency: str
    scope: Scope
    subject: str
    """The id of the organization, project or key, or the model's name, that ``scope`` says."""
    expires_at: int | None = None
    note: str = ""

    def digest(self) -> str:
        """SHA-256 in hex: the same for the same wish."""
        return hashlib.sha256(msgspec.msgpack.encode(self)).hexdigest()


@dataclass(frozen=True, slots=True)
class Credit:
    """A credit as it stands. Amounts are micro-units: what is neither remaining nor expired was spent."""

    id: str
    fund_id: str
    kind: Kind
    scope: Scope
    subject: str
    currency: str
    amount: int
    remaining: int
    expired: int
    expires_at: int | None
    expired_at: int | None
    """When it was found expired; what is held by requests under way may still be spent after it."""
    note: str
    created_at: int

    @property
    def spent(self) -> int:
        """What requests used of it."""
        return self.amount - self.remaining - self.expired
