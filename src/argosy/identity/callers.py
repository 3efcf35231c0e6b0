"""Who is calling: what a key stands for once it has been found."""

from dataclasses import dataclass

SCOPES = {
    "inference": "ask models, one by one or in batches",
    "tuning": "upload files, and create and follow fine-tuning jobs",
    "billing": "read usage, costs, the ledger and invoices",
    "admin": "everything, and keys and projects of the whole organization",
}
"""All scopes that a key may have, with what each allows."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a key. All that a request does is done for ``project_id``, and billed to it."""

    key_id: str
    project_id: str
    organization_id: str
    organization_slug: str
    """Lower-case letters, digits and hyphens: the middle part of the names of tuned models."""
    scopes: frozenset[str]
    discount: int = 0
    """Percent off what this request costs. No key has one: only the platform grants it, see `argosy.batches.grants`."""
    batch_id: str | None = None
    """The batch whose line this request is."""

    def may(self, scope: str) -> bool:
        """Whether the key has this scope; the scope "admin" includes all others."""
        return scope in self.scopes or "admin" in self.scopes
