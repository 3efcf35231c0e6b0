"""A webhook: where an organization wants to be told of events, and what is told."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec

from argosy.billing.webhooks.signing import new_secret
from argosy.core import Invalid, new_id, now
from argosy.runtime import Vault, egress

BUDGET_REACHED = "budget.threshold_reached"
CREDITS_REACHED = "credits.threshold_reached"
TEST = "webhook.test"
EVENTS = (BUDGET_REACHED, CREDITS_REACHED)
"""What can be asked for. A test goes to whom it is asked for, whatever else that wants."""

_URL_MAX = 2000


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to, and for which events."""

    id: str
    organization_id: str
    url: str
    events: tuple[str, ...]
    private: bool
    """Whether it may stand inside the operator's network."""
    created_at: int

    @property
    def purpose(self) -> str:
        """What its secret is sealed for."""
        return f"webhook {self.organization_id} {self.id}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to a webhook, and what became of it. Times are unix seconds."""

    id: str
    webhook_id: str
    event: str
    status: str
    """``pending``, ``delivered`` or ``failed``."""
    attempts: int
    next_at: int
    answered: int | None
    error: str
    created_at: int
    ended_at: int | None


def make_webhook(
    vault: Vault, organization_id: str, url: str, events: Sequence[str], private: bool
) -> tuple[Webhook, str, bytes]:
    """A new webhook, its secret to be shown once, and the secret sealed. Raises Invalid."""
    _check_url(url, private)
    wanted = tuple(dict.fromkeys(events))
    if not wanted or not set(wanted) <= set(EVENTS):
        raise Invalid(f"Events are one or more of {', '.join(EVENTS)}.", code="unknown_event", param="events")
    made, secret = Webhook(new_id("whk_"), organization_id, url, wanted, private, now()), new_secret()
    return made, secret, vault.seal(secret, made.purpose)


def message(event: str, data: dict[str, Any]) -> str:
    """The body of a message."""
    at = datetime.datetime.fromtimestamp(now(), datetime.UTC).isoformat().replace("+00:00", "Z")
    return msgspec.json.encode({"type": event, "timestamp": at, "data": data}).decode()


def _check_url(url: str, private: bool) -> None:
    """Refuse early what would never be delivered. A name is looked up and checked at each delivery."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _bad_url(f"it is malformed ({error})") from error
    plain = url.isascii() and url.isprintable() and " " not in url and len(url) <= _URL_MAX
    if not plain or parts.scheme not in ("http", "https") or not host or parts.username is not None or parts.fragment:
        raise _bad_url("it must be like https://example.com/hook, without a user or a fragment")
    if parts.scheme == "http" and not private:
        raise _bad_url("messages travel over https only, unless the address is private")
    try:
        literal = str(ip_address(host))
    except ValueError:
        return
    if not private and not egress.is_public(literal):
        raise _bad_url("that address is inside this network; say that it is private if this is meant")


def _bad_url(reason: str) -> Invalid:
    return Invalid(f"This URL cannot be used: {reason}.", code="invalid_url", param="url")
