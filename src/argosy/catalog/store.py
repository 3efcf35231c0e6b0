"""All SQL of the catalog: models that were made or imported here, accepted licences, providers, hub tokens, aliases."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from argosy.catalog.hub_tokens import HubToken, with_tokens
from argosy.catalog.lineage import Lineage
from argosy.catalog.model_card import ModelCard
from argosy.catalog.provider import Provider, no_provider
from argosy.catalog.registry import card, shipped_cards, take_imported
from argosy.catalog.tables import aliases, hub_tokens, imported_cards, licence_acceptances, model_versions, providers
from argosy.core import Conflict, NotFound, new_id, now
from argosy.runtime import Transaction, Vault, bump_version


@dataclass(frozen=True)
class ModelVersion:
    """An adapter: a small file that makes a new model of a base. Immutable."""

    id: str
    project_id: str
    name: str
    """What callers send as ``model``, such as ``ft:smollm2-135m-instruct:argosy:charts:7f3k``."""
    base: str
    """Name of the base model's card."""
    digest: str
    """SHA-256 of the adapter file; `Blobs.path` finds it by this."""
    size_bytes: int
    lineage: Lineage
    created_at: int
    """Unix seconds."""


@dataclass(frozen=True)
class Alias:
    """A project's own name for a model, which may be moved to another."""

    project_id: str
    name: str
    target: str
    """The name of a base model, of a provider's model, or of one of the project's adapters."""
    moved_at: int
    """Unix seconds."""


@dataclass(frozen=True)
class Acceptance:
    """A project's word that it keeps a licence's terms."""

    project_id: str
    licence: str
    version: str
    key_id: str
    """The administrator's key with which it was given."""
    accepted_at: int
    """Unix seconds."""


def register_adapter(
    tx: Transaction, project_id: str, name: str, base: str, blob_digest: str, size_bytes: int, lineage: Lineage
) -> ModelVersion:
    """Make an adapter known under ``name``; serving then loads it. Its blob must be stored already.

    Harmless to repeat with the same adapter, as a durable step may. Raises Conflict if the name stands for another
    one, NotFound for a base without a card.
    """
    card(base)
    known = tx.execute(select(model_versions).where(model_versions.c.name == name)).one_or_none()
    if known is not None:
        if (known.project_id, known.base, known.digest) == (project_id, base, blob_digest):
            return _model(known)
        raise Conflict(f"The name '{name}' is taken, and a published model never changes.", code="model_exists")
    model = ModelVersion(new_id("mv_"), project_id, name, base, blob_digest, size_bytes, lineage, now())
    tx.execute(insert(model_versions).values(**vars(model) | {"lineage": msgspec.to_builtins(lineage)}))
    bump_version(tx)
    return model


def remove_adapter(tx: Transaction, project_id: str, name: str) -> bool:
    """Take a model's name back; engines then stop to serve it. False if the project has no such model."""
    mine = (model_versions.c.project_id == project_id, model_versions.c.name == name)
    if tx.execute(delete(model_versions).where(*mine)).rowcount == 0:
        return False
    bump_version(tx)
    return True


def adapters_of(tx: Transaction, base: str) -> list[ModelVersion]:
    """All adapters of a base, whoever owns them, oldest first: what its engine has to load, in that order."""
    rows = tx.execute(
        select(model_versions)
        .where(model_versions.c.base == base)
        .order_by(model_versions.c.created_at, model_versions.c.id)
    )
    return [_model(row) for row in rows]


def find_model(tx: Transaction, project_id: str, name: str) -> ModelVersion:
    """The project's own model of this name. Raises NotFound."""
    found = tx.execute(
        select(model_versions).where(model_versions.c.project_id == project_id, model_versions.c.name == name)
    ).one_or_none()
    if found is None:
        raise NotFound(
            f"There is no model '{name}' in this project. 'argosy models' lists what there is.",
            code="model_not_found",
            param="model",
        )
    return _model(found)


def list_models(tx: Transaction, project_id: str, base: str | None = None) -> list[ModelVersion]:
    """The models that the project made, of one base or of all, oldest first."""
    query = select(model_versions).where(model_versions.c.project_id == project_id)
    if base is not None:
        query = query.where(model_versions.c.base == base)
    return [_model(row) for row in tx.execute(query.order_by(model_versions.c.created_at, model_versions.c.id))]


def record_acceptance(tx: Transaction, project_id: str, licence: str, version: str, key_id: str) -> Acceptance:
    """Record it once; what was recorded first stays, whoever asks again."""
    new = Acceptance(project_id, licence, version, key_id, now())
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    tx.execute(dialect.insert(licence_acceptances).values(**vars(new)).on_conflict_do_nothing())
    return accepted(tx, project_id)[licence, version]


def accepted(tx: Transaction, project_id: str) -> dict[tuple[str, str], Acceptance]:
    """All that the project accepted, by licence and version."""
    rows = tx.execute(select(licence_acceptances).where(licence_acceptances.c.project_id == project_id))
    return {(row.licence, row.version): Acceptance(**row._mapping) for row in rows}


def add_provider(tx: Transaction, provider: Provider) -> None:
    """Store it, in the place of one of the same name. Its models are asked there from now on."""
    tx.execute(delete(providers).where(providers.c.name == provider.name))
    tx.execute(insert(providers).values(**vars(provider)))
    bump_version(tx)


def list_providers(tx: Transaction) -> list[Provider]:
    """All of the platform, by name."""
    return [Provider(**row._mapping) for row in tx.execute(select(providers).order_by(providers.c.name))]


def find_provider(tx: Transaction, name: str) -> Provider:
    """By name. Raises NotFound."""
    row = tx.execute(select(providers).where(providers.c.name == name)).one_or_none()
    if row is None:
        raise no_provider(name)
    return Provider(**row._mapping)


def remove_provider(tx: Transaction, name: str) -> None:
    """Forget it and its key. Raises NotFound."""
    find_provider(tx, name)
    tx.execute(delete(providers).where(providers.c.name == name))
    bump_version(tx)


def set_hub_token(tx: Transaction, project_id: str, made: HubToken, sealed: bytes) -> None:
    """Store a token, in place of an earlier one."""
    remove_hub_token(tx, project_id, made.hub)
    tx.execute(insert(hub_tokens).values(project_id=project_id, secret=sealed, **vars(made)))


def list_hub_tokens(tx: Transaction, project_id: str) -> list[HubToken]:
    """The project's tokens, without their secrets."""
    query = select(hub_tokens).where(hub_tokens.c.project_id == project_id).order_by(hub_tokens.c.hub)
    return [HubToken(row.hub, row.hint, row.created_at) for row in tx.execute(query)]


def remove_hub_token(tx: Transaction, project_id: str, hub: str) -> bool:
    """Forget a token; says whether there was one."""
    where = (hub_tokens.c.project_id == project_id) & (hub_tokens.c.hub == hub)
    return tx.execute(delete(hub_tokens).where(where)).rowcount > 0


def hub_environment(
    tx: Transaction, project_id: str, vault: Vault | None, environment: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """What pulling and importing for a project may read: ``environment`` with its tokens. Raises Unavailable."""
    query = select(hub_tokens).where(hub_tokens.c.project_id == project_id)
    sealed = {row.hub: row.secret for row in tx.execute(query)}
    return with_tokens(environment, project_id, sealed, vault)


def set_alias(tx: Transaction, project_id: str, name: str, target: str) -> Alias:
    """Point the name at a model, in one step: every request is answered by the old one or by the new one."""
    alias = Alias(project_id, name, target, now())
    tx.execute(delete(aliases).where(aliases.c.project_id == project_id, aliases.c.name == name))
    tx.execute(insert(aliases).values(**vars(alias)))
    bump_version(tx)
    return alias


def remove_alias(tx: Transaction, project_id: str, name: str) -> bool:
    """Take the name back; False if the project has no such alias."""
    mine = (aliases.c.project_id == project_id, aliases.c.name == name)
    if tx.execute(delete(aliases).where(*mine)).rowcount == 0:
        return False
    bump_version(tx)
    return True


def list_aliases(tx: Transaction, project_id: str) -> list[Alias]:
    """The project's aliases, by name."""
    mine = select(aliases).where(aliases.c.project_id == project_id).order_by(aliases.c.name)
    return [Alias(**row._mapping) for row in tx.execute(mine)]


def all_aliases(tx: Transaction) -> list[Alias]:
    """The aliases of every project: what the gateway holds."""
    return [Alias(**row._mapping) for row in tx.execute(select(aliases))]


def add_card(tx: Transaction, project_id: str, new: ModelCard) -> None:
    """Have an imported card known to every process. Harmless to repeat. Raises Conflict if the name is taken."""
    known = tx.execute(select(imported_cards.c.card).where(imported_cards.c.name == new.name)).scalar()
    values = msgspec.to_builtins(new)
    if new.name in shipped_cards() or (known is not None and known != values):
        raise Conflict(f"There is already a model '{new.name}'. Choose another name.", code="name_taken", param="name")
    if known is None:
        row = {"name": new.name, "project_id": project_id, "card": values, "created_at": now()}
        tx.execute(insert(imported_cards).values(**row))
        bump_version(tx)


def remove_card(tx: Transaction, name: str) -> bool:
    """Forget an imported card; False if there is none."""
    if tx.execute(delete(imported_cards).where(imported_cards.c.name == name)).rowcount == 0:
        return False
    bump_version(tx)
    return True


def load_cards(tx: Transaction) -> None:
    """Let this process know the imported cards as they are now."""
    rows = tx.execute(select(imported_cards.c.card).order_by(imported_cards.c.name))
    take_imported(msgspec.convert(row.card, ModelCard) for row in rows)


def _model(row: Row[Any]) -> ModelVersion:
    fields = dict(row._mapping)
    return ModelVersion(**fields | {"lineage": msgspec.convert(row.lineage, Lineage)})
