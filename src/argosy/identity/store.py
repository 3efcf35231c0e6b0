"""All SQL about organizations, projects and keys."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from argosy.core import Conflict, Invalid, NotFound, new_id, now
from argosy.identity import secrets
from argosy.identity.callers import SCOPES, Caller
from argosy.identity.tables import api_keys, organizations, projects
from argosy.runtime import Transaction, bump_version

_NAME_LIMIT = 200


@dataclass(frozen=True)
class Organization:
    """Who owns projects and pays for them."""

    id: str
    name: str
    slug: str


@dataclass(frozen=True)
class Project:
    """What files, jobs, models and bills belong to."""

    id: str
    organization_id: str
    name: str
    created_at: int
    """Unix seconds."""


@dataclass(frozen=True)
class Key:
    """An API key as it may be shown: without its secret."""

    id: str
    project_id: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: int
    revoked_at: int | None


@dataclass(frozen=True)
class Bootstrap:
    """What the first start made, or a later one found."""

    organization_id: str
    project_id: str
    secret: str | None
    """Secret of a new administrator key, to be printed once; None if there was one already or the operator chose it."""


def bootstrap(tx: Transaction, admin_key: str | None = None) -> Bootstrap:
    """Make sure that there are an organization, a project and an administrator key. Harmless to repeat.

    ``admin_key`` is a secret that the operator chose. Raises Invalid if it is weak or was revoked.
    """
    project_id = default_project(tx)
    organization_id = organization_of(tx, project_id).id
    secret = None
    if admin_key is not None:
        _admit(tx, project_id, admin_key)
    elif not _administrators(tx, organization_id):
        _, secret = create_key(tx, project_id, "administrator", ["admin"])
    return Bootstrap(organization_id, project_id, secret)


def default_project(tx: Transaction) -> str:
    """Id of the project that every home has; it and its organization are made if this is the first to ask."""
    organization_id = _ensure(tx, organizations, "org-", {"slug": "argosy"}, {"name": "Argosy"})
    return _ensure(tx, projects, "proj_", {"organization_id": organization_id, "name": "default"}, {})


def organization_of(tx: Transaction, project_id: str) -> Organization:
    """The organization that owns the project. Raises NotFound."""
    found = tx.execute(
        select(organizations.c.id, organizations.c.name, organizations.c.slug)
        .join(projects, projects.c.organization_id == organizations.c.id)
        .where(projects.c.id == project_id)
    ).one_or_none()
    if found is None:
        raise _no_project(project_id)
    return Organization(*found)


def organizations_of(tx: Transaction, project_ids: Iterable[str]) -> dict[str, str]:
    """The ids of the organizations that own these projects, by project."""
    rows = tx.execute(select(projects.c.id, projects.c.organization_id).where(projects.c.id.in_(project_ids)))
    return {row.id: row.organization_id for row in rows}


def create_project(tx: Transaction, project_id: str, name: str) -> Project:
    """A new project in the organization of ``project_id``. Raises Invalid, or Conflict if the name is taken."""
    project = Project(new_id("proj_"), organization_of(tx, project_id).id, _checked_name(name), now())
    if not _insert_once(tx, projects, vars(project)):
        raise Conflict(f"There is already a project '{project.name}'.", code="project_exists", param="name")
    return project


def list_projects(tx: Transaction, project_id: str) -> list[Project]:
    """All projects of the organization of ``project_id``, oldest first."""
    owner = select(projects.c.organization_id).where(projects.c.id == project_id).scalar_subquery()
    rows = tx.execute(_PROJECT.where(projects.c.organization_id == owner).order_by(projects.c.id))
    return [Project(*row) for row in rows]


def find_project(tx: Transaction, project_id: str, wanted: str) -> Project:
    """The project ``wanted`` of the same organization as ``project_id``, by id or name. Raises NotFound."""
    for project in list_projects(tx, project_id):
        if wanted in (project.id, project.name):
            return project
    raise _no_project(wanted)


def create_key(tx: Transaction, project_id: str, name: str, scopes: Iterable[str]) -> tuple[Key, str]:
    """A new key of the project and its secret, which cannot be shown again. Raises Invalid."""
    secret = secrets.new_secret()
    return _add_key(tx, project_id, name, scopes, secret), secret


def list_keys(tx: Transaction, project_id: str) -> list[Key]:
    """The keys of the project that have not been revoked, oldest first."""
    usable = _KEY.where(api_keys.c.project_id == project_id, api_keys.c.revoked_at.is_(None))
    return [_key(row) for row in tx.execute(usable.order_by(api_keys.c.id))]


def revoke_key(tx: Transaction, project_id: str, key_id: str) -> Key:
    """End a key for good; every process refuses it within half a second.

    Raises NotFound, or Conflict for the organization's last administrator key, which would lock everyone out.
    """
    found = tx.execute(_KEY.where(api_keys.c.project_id == project_id, api_keys.c.id == key_id)).one_or_none()
    if found is None or found.revoked_at is not None:
        raise NotFound(
            f"There is no key '{key_id}' in this project. 'argosy keys list' shows them.", code="key_not_found"
        )
    if _administrators(tx, organization_of(tx, project_id).id) == [key_id]:
        raise Conflict(
            "This is the last administrator key. Make another one first, then revoke this one.", code="last_admin_key"
        )
    tx.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=now()))
    bump_version(tx)
    return _key(found)


def callers_by_hash(tx: Transaction) -> dict[str, Caller]:
    """All usable keys of the platform by the SHA-256 of their secret: what a `KeyRing` holds."""
    rows = tx.execute(
        select(api_keys, organizations.c.id.label("organization_id"), organizations.c.slug)
        .join(projects, projects.c.id == api_keys.c.project_id)
        .join(organizations, organizations.c.id == projects.c.organization_id)
        .where(api_keys.c.revoked_at.is_(None))
    )
    return {
        row.hash: Caller(row.id, row.project_id, row.organization_id, row.slug, frozenset(row.scopes)) for row in rows
    }


_PROJECT = select(projects.c.id, projects.c.organization_id, projects.c.name, projects.c.created_at)
_KEY = select(*(column for column in api_keys.c if column.name != "hash"))


def _add_key(tx: Transaction, project_id: str, name: str, scopes: Iterable[str], secret: str) -> Key:
    wanted = tuple(dict.fromkeys(scopes))
    if not wanted or not set(wanted) <= SCOPES.keys():
        raise Invalid(
            f"A key needs one or more of the scopes {', '.join(SCOPES)}.", code="invalid_scope", param="scopes"
        )
    organization_of(tx, project_id)
    key = Key(new_id("key_"), project_id, _checked_name(name), secrets.hint(secret), wanted, now(), None)
    tx.execute(insert(api_keys).values(**vars(key) | {"scopes": list(wanted), "hash": secrets.digest(secret)}))
    bump_version(tx)
    return key


def _admit(tx: Transaction, project_id: str, secret: str) -> None:
    """Let the operator's own secret in as an administrator key, once."""
    secrets.check_chosen(secret)
    found = tx.execute(select(api_keys.c.revoked_at).where(api_keys.c.hash == secrets.digest(secret))).one_or_none()
    if found is None:
        _add_key(tx, project_id, "administrator", ["admin"], secret)
    elif found.revoked_at is not None:
        raise Invalid(
            "The key in ARGOSY_ADMIN_KEY was revoked, and stays so. Choose a new one.", code="admin_key_revoked"
        )


def _administrators(tx: Transaction, organization_id: str) -> list[str]:
    """Ids of the organization's usable administrator keys."""
    rows = tx.execute(
        select(api_keys.c.id, api_keys.c.scopes)
        .join(projects, projects.c.id == api_keys.c.project_id)
        .where(projects.c.organization_id == organization_id, api_keys.c.revoked_at.is_(None))
    )
    return [row.id for row in rows if "admin" in row.scopes]


def _ensure(tx: Transaction, table: Table, prefix: str, identity: dict[str, str], rest: dict[str, str]) -> str:
    """The id of the row with these identifying values, made now unless it is there already."""
    _insert_once(tx, table, {"id": new_id(prefix), "created_at": now(), **identity, **rest})
    return str(tx.execute(select(table.c.id).filter_by(**identity)).scalar_one())


def _insert_once(tx: Transaction, table: Table, values: dict[str, Any]) -> bool:
    """Insert unless a unique value is taken; says whether it did. Two processes may try at once."""
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    once = dialect.insert(table).values(**values).on_conflict_do_nothing().returning(table.c.id)
    return tx.execute(once).one_or_none() is not None


def _checked_name(name: str) -> str:
    name = re.sub(r"\s+", " ", name).strip()
    if not name or len(name) > _NAME_LIMIT or not name.isprintable():
        raise Invalid(f"A name must have 1 to {_NAME_LIMIT} printable characters.", code="invalid_name", param="name")
    return name


def _key(row: Row[Any]) -> Key:
    return Key(row.id, row.project_id, row.name, row.hint, tuple(row.scopes), row.created_at, row.revoked_at)


def _no_project(wanted: str) -> NotFound:
    return NotFound(f"There is no project '{wanted}' in this organization.", code="project_not_found")
