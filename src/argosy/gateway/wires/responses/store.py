"""All SQL about stored responses."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, literal, select

from argosy.gateway.wires.responses.stored import StoredResponse
from argosy.gateway.wires.responses.tables import responses
from argosy.runtime import Transaction


def insert_responses(tx: Transaction, rows: Sequence[StoredResponse]) -> None:
    """Keep new responses."""
    tx.execute(insert(responses), [vars(row) for row in rows])


def find_response(tx: Transaction, project_id: str, response_id: str) -> StoredResponse | None:
    """One response of the project."""
    wanted = (responses.c.project_id == project_id, responses.c.id == response_id)
    row = tx.execute(select(responses).where(*wanted)).one_or_none()
    return StoredResponse(**row._mapping) if row else None


def conversation(tx: Transaction, project_id: str, response_id: str) -> list[StoredResponse]:
    """A response and all that it goes on from, oldest first: back to the first turn, or to one that was deleted."""
    last = (
        select(responses, literal(0).label("step"))
        .where(responses.c.project_id == project_id, responses.c.id == response_id)
        .cte(recursive=True)
    )
    before = select(responses, last.c.step + 1).where(
        responses.c.project_id == project_id, responses.c.id == last.c.previous_id
    )
    turns = last.union_all(before)
    rows = tx.execute(select(*(turns.c[column.name] for column in responses.c)).order_by(turns.c.step.desc()))
    return [StoredResponse(**row._mapping) for row in rows]


def delete_response(tx: Transaction, project_id: str, response_id: str) -> bool:
    """Forget a response; says whether it was there."""
    wanted = (responses.c.project_id == project_id, responses.c.id == response_id)
    return tx.execute(delete(responses).where(*wanted)).rowcount > 0


def forget_before(tx: Transaction, created_at: int, limit: int) -> int:
    """Delete up to ``limit`` responses of all projects that are older than that, in Unix seconds; says how many."""
    old = select(responses.c.id).where(responses.c.created_at < created_at).order_by(responses.c.created_at)
    return tx.execute(delete(responses).where(responses.c.id.in_(old.limit(limit)))).rowcount
