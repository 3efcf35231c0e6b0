"""Signatures by the Standard Webhooks convention (standardwebhooks.com): receivers check them with its libraries."""

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret to share with the receiver."""
    return _PREFIX + base64.b64encode(os.urandom(_SECRET_BYTES)).decode()


def signed_headers(secret: str, message_id: str, at: int, body: bytes) -> Mapping[str, str]:
    """The three headers of a message that is sent at ``at``, in unix seconds. Raises ValueError for a bad secret."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret of a webhook is not base64") from error
    signed = b"%s.%d.%s" % (message_id.encode(), at, body)
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{signature}"}
