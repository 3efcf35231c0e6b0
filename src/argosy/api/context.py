"""What every route needs: the platform's parts, and who is calling."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from argosy.billing import Shipper
from argosy.core import Forbidden, Settings, Unauthenticated, Unavailable
from argosy.identity import Caller, KeyRing
from argosy.runtime import Blobs, Database, Vault


@dataclass
class Platform:
    """The parts that `argosy.app` chose, for routes to use. Lives at ``request.app.state.platform``."""

    settings: Settings
    database: Database
    blobs: Blobs
    keys: KeyRing
    shipper: Shipper | None = None
    """Posts what this process has metered; usage pages flush it first, so that a client finds its own last request."""
    vault: Vault | None = None
    """Seals providers' keys."""


def platform(request: Request) -> Platform:
    """The platform that serves this request."""
    found: Platform = request.app.state.platform
    return found


def vault_of(parts: Platform) -> Vault:
    """The vault for secrets. Raises Unavailable in a process that has none."""
    if parts.vault is None:
        raise Unavailable("This process has no vault for keys.", code="vault_missing", retry_after_s=60)
    return parts.vault


def identify(keys: KeyRing, authorization: str | None) -> Caller:
    """The caller behind an ``Authorization: Bearer`` header. Raises Unauthenticated."""
    scheme, _, secret = (authorization or "").partition(" ")
    secret = secret.strip()
    if (scheme != "Bearer" and scheme.lower() != "bearer") or not secret:
        raise Unauthenticated(
            "No API key was given. Send it as 'Authorization: Bearer YOUR_KEY'; 'argosy keys create' makes one.",
            code="missing_api_key",
        )
    caller = keys.find(secret)
    if caller is None:
        raise Unauthenticated(
            "This API key is not known here or has been revoked. 'argosy keys create' makes a new one.",
            code="invalid_api_key",
        )
    return caller


def allowed(scope: str) -> Callable[[Request], Caller]:
    """A dependency that finds the caller and refuses one whose key lacks ``scope``."""

    def find(request: Request) -> Caller:
        caller = identify(platform(request).keys, request.headers.get("authorization"))
        if not caller.may(scope):
            raise Forbidden(
                f"This key does not have the scope '{scope}'. Ask an administrator for one that has.",
                code="missing_scope",
            )
        return caller

    return find


def _member(request: Request) -> Caller:
    return identify(platform(request).keys, request.headers.get("authorization"))


PlatformParts = Annotated[Platform, Depends(platform)]
MemberCaller = Annotated[Caller, Depends(_member)]
"""Any key of the project."""
InferenceCaller = Annotated[Caller, Depends(allowed("inference"))]
TuningCaller = Annotated[Caller, Depends(allowed("tuning"))]
BillingCaller = Annotated[Caller, Depends(allowed("billing"))]
AdminCaller = Annotated[Caller, Depends(allowed("admin"))]
