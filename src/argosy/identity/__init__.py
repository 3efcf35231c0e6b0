"""Organizations, projects and API keys: who is calling, for which project, and what their key lets them do."""

from argosy.identity.callers import SCOPES, Caller
from argosy.identity.keyring import KeyRing
from argosy.identity.store import (
    Bootstrap,
    Key,
    Organization,
    Project,
    bootstrap,
    create_key,
    create_project,
    default_project,
    find_project,
    list_keys,
    list_projects,
    organization_of,
    organizations_of,
    revoke_key,
)

__all__ = [
    "SCOPES",
    "Bootstrap",
    "Caller",
    "Key",
    "KeyRing",
    "Organization",
    "Project",
    "bootstrap",
    "create_key",
    "create_project",
    "default_project",
    "find_project",
    "list_keys",
    "list_projects",
    "organization_of",
    "organizations_of",
    "revoke_key",
]
