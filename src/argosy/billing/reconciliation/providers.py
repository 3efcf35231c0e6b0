"""What providers say that they are owed, beside what the gateway counted and the ledger expects."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from argosy.billing.prices import books_currency
from argosy.billing.reconciliation import store
from argosy.billing.reconciliation.provider_csv import read_csv
from argosy.core import new_id, now
from argosy.runtime import Transaction

_DAY = 86_400
_MICRO = 1_000_000


@dataclass(frozen=True)
class ProviderInvoice:
    """An imported file. ``total`` is in micro-units."""

    id: str
    provider: str
    digest: str
    currency: str
    total: int
    line_count: int
    created_at: int
    new: bool
    """Whether it was imported now; False: this very file was there already."""


@dataclass(frozen=True)
class ProviderDay:
    """One provider on one day of UTC: what its invoices say, and what ours do. Amounts are micro-units."""

    provider: str
    day: int
    invoiced_prompt_tokens: int
    prompt_tokens: int
    invoiced_completion_tokens: int
    completion_tokens: int
    invoiced_amount: int
    expected_amount: int
    """What the ledger has as the provider's cost."""

    @property
    def difference(self) -> int:
        """How much more the provider takes than was expected; negative: less."""
        return self.invoiced_amount - self.expected_amount

    @property
    def causes(self) -> list[str]:
        """What may have led to it."""
        found = []
        tokens = self.prompt_tokens + self.completion_tokens
        invoiced = self.invoiced_prompt_tokens + self.invoiced_completion_tokens
        if invoiced > tokens:
            found.append(
                "The provider counted more tokens: answers that were cut off here and went on there, attempts that "
                "failed after it had begun, use of its key by others, or days that it cuts at another hour."
            )
        if invoiced < tokens:
            found.append(
                "The provider counted fewer tokens: a line is missing from the file, rows were estimated after a "
                "crash, or days that it cuts at another hour."
            )
        if self.difference and not found:
            found.append("The tokens agree and the amounts do not: its price is another than the one noted as cost.")
        return found


def import_provider_invoice(
    tx: Transaction, provider: str, data: bytes, columns: Mapping[str, str] | None = None
) -> ProviderInvoice:
    """Import a CSV file, once. Raises Invalid with the numbers of the lines that cannot be."""
    lines, currency = read_csv(data, books_currency(tx), columns)
    digest = hashlib.sha256(data).hexdigest()
    values = {"id": new_id("pinv_"), "provider": provider, "digest": digest, "created_at": now()}
    values |= {"currency": currency, "total": sum(one.amount for one in lines), "line_count": len(lines)}
    new = store.insert_provider_invoice(tx, values, [vars(one) for one in lines])
    return ProviderInvoice(**store.find_provider_invoice(tx, provider, digest)._mapping, new=new)


def provider_days(tx: Transaction, since: int) -> list[ProviderDay]:
    """All days since then of which a provider's invoice speaks."""
    found = []
    projects = list(store.projects_with_usage(tx))
    for row in store.provider_invoice_days(tx, since // _DAY * _DAY):
        times = row.day * _MICRO, (row.day + _DAY) * _MICRO
        ours = [store.provider_usage(tx, project, row.provider, *times) for project in projects] or [(0, 0, 0)]
        prompt, completion, cost = (sum(counts) for counts in zip(*ours, strict=True))
        invoiced = int(row.prompt_tokens), int(row.completion_tokens)
        amounts = int(row.amount), cost
        found.append(
            ProviderDay(row.provider, row.day, invoiced[0], prompt, invoiced[1], completion, *amounts)
        )  # fmt: skip
    return found
