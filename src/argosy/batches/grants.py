"""What lets the worker ask in a project's name and at a discount: a sealed word for one line, good for some minutes.

Only who holds the platform's secret key can make one or read one, so no client can grant itself anything. The request's
id comes with it: a line that runs again has the same id, and is billed once.
"""

import base64
import binascii

import msgspec

from argosy.batches.store import Batch
from argosy.core import Unavailable, now
from argosy.identity import Caller
from argosy.runtime import Vault

PREFIX = "argosy-line."
_PURPOSE = "line of a batch"
_GOOD_S = 300
_BEARER = b"Bearer " + PREFIX.encode()


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """One line of a batch, in whose name it is asked, and what it is charged less."""

    batch_id: str
    line: int
    project_id: str
    key_id: str
    organization_id: str
    organization_slug: str
    discount: int
    expires_at: int

    @property
    def request_id(self) -> str:
        """The id of the request, of its usage, and of the answer's line."""
        return line_id(self.batch_id, self.line)

    @property
    def caller(self) -> Caller:
        """Who asks."""
        who = (self.key_id, self.project_id, self.organization_id, self.organization_slug)
        return Caller(*who, frozenset({"inference"}), self.discount, self.batch_id)


_DECODER = msgspec.json.Decoder(Grant)


def line_id(batch_id: str, line: int) -> str:
    """The id of a line's request, the same whenever it runs."""
    return f"req_{batch_id.removeprefix('batch_')}_{line:05d}"


def seal_grant(vault: Vault, batch: Batch, line: int) -> str:
    """The value of an ``Authorization`` header for one line."""
    who = (batch.project_id, batch.key_id, batch.organization_id, batch.organization_slug)
    grant = Grant(batch.id, line, *who, batch.discount, now() + _GOOD_S)
    sealed = vault.seal(msgspec.json.encode(grant).decode(), _PURPOSE)
    return f"Bearer {PREFIX}{base64.urlsafe_b64encode(sealed).decode()}"


def read_grant(vault: Vault | None, authorization: bytes) -> Grant | None:
    """The grant in an ``Authorization`` header; None for any other key, and for one that is forged or too old."""
    if vault is None or not authorization.startswith(_BEARER):
        return None
    try:
        sealed = base64.urlsafe_b64decode(authorization[len(_BEARER) :])
        grant = _DECODER.decode(vault.open(sealed, _PURPOSE))
    except (Unavailable, binascii.Error, msgspec.DecodeError):
        return None
    return grant if grant.expires_at > now() else None
