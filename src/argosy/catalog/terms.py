"""Licences are kept: what must be accepted first is refused until it is, and what the terms forbid always is."""

from argosy.catalog.licence import Licence, Use, licence
from argosy.catalog.model_card import ModelCard
from argosy.catalog.store import Acceptance, accepted, record_acceptance
from argosy.core import Forbidden
from argosy.runtime import Transaction

_VERBS: dict[Use, str] = {"deploy": "deploy", "tune": "tune", "export": "export", "commercial": "use commercially"}


def accept_licence(tx: Transaction, project_id: str, licence_id: str, key_id: str) -> Acceptance:
    """Record that the project accepts the terms as they are now; the first acceptance of a version stays.

    Raises NotFound.
    """
    terms = licence(licence_id)
    return record_acceptance(tx, project_id, terms.id, terms.version or "", key_id)


def acceptance_of(tx: Transaction, project_id: str, terms: Licence) -> Acceptance | None:
    """The project's acceptance of this version of the terms."""
    return accepted(tx, project_id).get((terms.id, terms.version or ""))


def require_licence(tx: Transaction, project_id: str, card: ModelCard, use: Use) -> None:
    """Raise Forbidden unless the card's licence allows this use and the project has accepted what must be accepted."""
    terms = card.terms
    if not terms.allows(use):
        raise Forbidden(
            f"The licence of '{card.name}', {terms.title}, does not allow to {_VERBS[use]} it without the owner's own "
            f"permission; see {terms.url}.",
            code="licence_forbids",
            param="model",
        )
    if terms.acceptance and acceptance_of(tx, project_id, terms) is None:
        raise Forbidden(
            f"This project has not accepted the licence of '{card.name}', {terms.title}. Read {terms.url}; an "
            f"administrator then accepts it with 'argosy licences accept {terms.id}'.",
            code="licence_not_accepted",
            param="model",
        )
