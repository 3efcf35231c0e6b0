"""An organization with two projects, a stranger's beside it, and what they use."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pytest
from tests.billing.conftest import Card, Meter

from argosy import billing
from argosy.billing import UsageEvent, invoices, ledger
from argosy.billing.credits import NewCredit, add_credit
from argosy.billing.invoices import Invoice, Profile
from argosy.billing.ledger import store as ledger_store
from argosy.billing.reports import EventFilter, list_events
from argosy.core import new_id
from argosy.runtime import Database


@dataclass
class Office:
    """``proj_a`` and ``proj_b`` are of one organization, ``proj_theirs`` is of another. One token of prompt costs
    0.15 micro-units.
    """

    database: Database
    meter: Meter
    card: Card

    def use(self, id_: str, at: float, project: str = "proj_a", **fields: object) -> UsageEvent:
        """Have one event posted that finished at that second."""
        event = self.meter.event(id_, at=at, project=project, **(fields or {"prompt_tokens": 1_000}))
        self.record([event])
        return event

    def record(self, events: Iterable[UsageEvent]) -> int:
        with self.database.write() as tx:
            return billing.record(tx, list(events))

    def close(self, start: int | None = None, end: int | None = None, project: str = "proj_a") -> Invoice:
        return invoices.close(self.database, project, start, end)

    def give_back(self, event: str, amount: int | None = None) -> None:
        """A correction."""
        with self.database.write() as tx:
            key = new_id("once_")
            billing.corrections.correct(tx, event, amount, reason="wrong", idempotency_key=key, key_id="key")

    def fund(self, kind: str, amount: int) -> str:
        """Id of the organization's balance, which now has so much more."""
        new = NewCredit(kind=kind, amount=amount, currency="USD", scope="organization", subject="org_a")  # type: ignore[arg-type]
        with self.database.write() as tx:
            return add_credit(tx, "org_a", new).fund_id

    def profile(self, **fields: object) -> None:
        """Change the profile of the organization."""
        with self.database.write() as tx:
            changed = replace(invoices.profile_of(tx, "proj_a"), **fields)  # type: ignore[arg-type]
            assert isinstance(changed, Profile)
            invoices.put_profile(tx, "proj_a", changed)

    def reprice(self, **rates: object) -> Meter:
        """A meter at a new price."""
        with self.database.write() as tx:
            return Meter(billing.ensure_price(tx, "ship", replace(self.card, **rates)))  # type: ignore[arg-type]

    def all_invoices(self) -> list[Invoice]:
        with self.database.read() as tx:
            return invoices.list_invoices(tx, "proj_a", limit=1_000)

    def on(self, invoice: Invoice, project: str = "proj_a") -> set[str]:
        """Ids of the project's events that are on it."""
        with self.database.read() as tx:
            return {line.id for line in list_events(tx, project, EventFilter(invoice_id=invoice.id), limit=10_000)}

    def balance(self, account: str) -> int:
        """Of all projects and of none, in micro-units."""
        with self.database.read() as tx:
            return sum(one.balance for one in ledger.trial_balance(tx) if one.account == account)

    def books_agree(self) -> None:
        """What invoices ask for is what the ledger moved to `invoiced`, and nothing else is there."""
        with self.database.read() as tx:
            assert ledger_store.unbalanced_transactions(tx) == []
            asked = 0
            for invoice in invoices.list_invoices(tx, "proj_a", limit=1_000):
                settled = invoices.standing_of(tx, invoice)
                asked += settled.left
                moved = sum(one.amount for one in ledger.lines_of(tx, invoice.id) if one.account == "invoiced")
                assert moved == invoice.due
                assert invoice.total == sum(line.amount for line in invoice.lines)
                assert invoice.total - invoice.covered == invoice.subtotal == sum(s.owed for s in invoice.shares)
                assert invoice.subtotal + invoice.tax + invoice.rounding == invoice.due
        assert self.balance("invoiced") == asked


@pytest.fixture
def office(database: Database, tenants: None, meter: Meter, card: Card) -> Office:
    return Office(database, meter, card)
