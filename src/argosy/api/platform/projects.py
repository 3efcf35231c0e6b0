"""``/v1/projects``: what files, jobs, models and bills belong to; for administrators."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from argosy import identity
from argosy.api.context import AdminCaller, PlatformParts
from argosy.identity import Project

router = APIRouter(prefix="/v1/projects", tags=["projects"])


class NewProject(BaseModel):
    """A project to make."""

    model_config = ConfigDict(extra="forbid")

    name: str


@router.post("")
def create_project(body: NewProject, platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """Make a project in the caller's organization. A key for it is the next step: ``POST /v1/keys``."""
    with platform.database.write() as tx:
        return _wire(identity.create_project(tx, caller.project_id, body.name))


@router.get("")
def list_projects(platform: PlatformParts, caller: AdminCaller) -> dict[str, Any]:
    """List the projects of the caller's organization."""
    with platform.database.read() as tx:
        found = identity.list_projects(tx, caller.project_id)
    return {"object": "list", "data": [_wire(project) for project in found], "has_more": False}


def _wire(project: Project) -> dict[str, Any]:
    return {
        "id": project.id,
        "object": "project",
        "name": project.name,
        "organization_id": project.organization_id,
        "created_at": project.created_at,
    }
