"""Whose usage and money a caller may look at."""

from argosy.api.context import Platform
from argosy.core import NotFound
from argosy.identity import Caller, find_project, list_projects
from argosy.runtime import Transaction

FLUSH_S_MAX = 1.0
"""How long a usage page waits for this process's own usage to be posted, so that a client finds its last request."""


def visible_project(tx: Transaction, caller: Caller, wanted: str | None) -> str:
    """The caller's own project, or, for administrators, another one of the organization. Raises NotFound."""
    if wanted is None or wanted == caller.project_id:
        return caller.project_id
    if not caller.may("admin"):
        raise NotFound(f"There is no project '{wanted}' in this organization.", code="project_not_found")
    return find_project(tx, caller.project_id, wanted).id


def visible_projects(tx: Transaction, caller: Caller) -> list[str]:
    """The organization's projects for administrators, for others their own."""
    if not caller.may("admin"):
        return [caller.project_id]
    return [project.id for project in list_projects(tx, caller.project_id)]


def flush_usage(parts: Platform) -> None:
    """Post what this process has metered. Should the database be slow, the page shows what is there."""
    if parts.shipper is not None:
        parts.shipper.flush(FLUSH_S_MAX)
