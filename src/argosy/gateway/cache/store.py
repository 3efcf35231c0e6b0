"""All SQL about whether answers are kept. The answers themselves are not in the database, see `shelf`."""

from collections.abc import Mapping

from sqlalchemy import delete, insert, select

from argosy.core import now
from argosy.gateway.cache.tables import gateway_cache_modes
from argosy.runtime import Transaction, bump_version

_MODE = gateway_cache_modes.c


def put_mode(tx: Transaction, project_id: str, mode: str) -> None:
    """Say whether a project's answers are kept where a request does not say: one of `MODES`."""
    tx.execute(delete(gateway_cache_modes).where(_MODE.project_id == project_id))
    tx.execute(insert(gateway_cache_modes).values(project_id=project_id, mode=mode, changed_at=now()))
    bump_version(tx)


def stored_mode(tx: Transaction, project_id: str) -> str:
    """What was said last; ``off`` if nothing was."""
    found = tx.execute(select(_MODE.mode).where(_MODE.project_id == project_id)).scalar()
    return str(found or "off")


def all_modes(tx: Transaction) -> Mapping[str, str]:
    """What every project said, by id: the gateway keeps it in memory."""
    return {row.project_id: row.mode for row in tx.execute(select(_MODE.project_id, _MODE.mode))}
