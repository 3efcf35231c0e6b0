"""Tokens of hubs: a project's own right to read a gated or private repository, stored encrypted."""

from collections.abc import Mapping
from dataclasses import dataclass

from argosy.core import NotFound, now
from argosy.runtime import Vault

HUBS = {"hf": "HF_TOKEN"}
"""The hubs that know tokens, and the variable that pulling reads each from."""


@dataclass(frozen=True)
class HubToken:
    """That there is one; the token itself is not told."""

    hub: str
    hint: str
    """Its last letters."""
    created_at: int


def seal_hub_token(vault: Vault, project_id: str, hub: str, token: str) -> tuple[HubToken, bytes]:
    """What is stored of a token. Raises NotFound for a hub that knows none."""
    if hub not in HUBS:
        raise NotFound(
            f"There is no hub '{hub}' that knows tokens. Choose one of: {', '.join(HUBS)}.", code="hub_unknown"
        )
    hint = f"…{token[-4:]}" if len(token) >= 12 else ""
    return HubToken(hub, hint, now()), vault.seal(token, _purpose(project_id, hub))


def with_tokens(
    environment: Mapping[str, str], project_id: str, sealed: Mapping[str, bytes], vault: Vault | None
) -> dict[str, str]:
    """``environment`` with the project's tokens in it, for pulling and importing. The platform's own tokens are not
    lent to projects. Raises Unavailable if a token cannot be read.
    """
    found = {name: value for name, value in environment.items() if name not in HUBS.values()}
    if vault:
        found |= {HUBS[hub]: vault.open(secret, _purpose(project_id, hub)) for hub, secret in sealed.items()}
    return found


def _purpose(project_id: str, hub: str) -> str:
    return f"hub token {hub} of {project_id}"
