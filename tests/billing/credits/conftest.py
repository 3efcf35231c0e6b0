"""An organization with prices, whose funds are filled and spent."""

from dataclasses import dataclass

import pytest
from sqlalchemy import text
from tests.billing.conftest import Card

from argosy import billing, identity
from argosy.billing import UsageEvent, credits, ledger
from argosy.billing.credits import Credit, NewCredit
from argosy.runtime import Database


@dataclass
class Shop:
    """One micro-unit is one input token."""

    database: Database
    organization_id: str
    project_id: str
    price_version: str

    def add(
        self, kind: str, amount: int, *, scope: str = "organization", key: str | None = None, **more: object
    ) -> Credit:
        subject = {"organization": self.organization_id, "project": self.project_id}.get(scope, "ship")
        new = NewCredit(kind=kind, amount=amount, scope=scope, subject=subject, **{"currency": "USD", **more})  # type: ignore[arg-type]
        with self.database.write() as tx:
            return credits.add_credit(tx, self.organization_id, new, key)

    def event(self, id_: str, amount: int, fund: str) -> UsageEvent:
        named = {"key_id": "key_a", "kind": "chat.completion", "model": "ship", "base_model": "ship"}
        times = {"started_us": 1, "finished_us": 10**6}
        counted = {"project_id": self.project_id, "price_version": self.price_version, "prompt_tokens": amount}
        return UsageEvent(id=id_, fund=fund, **named, **times, **counted)  # type: ignore[arg-type]

    def spend(self, *events: UsageEvent) -> int:
        with self.database.write() as tx:
            return billing.record(tx, events)

    def hold(self, fund_id: str, amount: int) -> None:
        """What an API process holds for requests under way."""
        with self.database.write() as tx:
            tx.execute(text("DELETE FROM fund_leases WHERE fund_id = :f"), {"f": fund_id})
            row = {"f": fund_id, "a": amount}
            tx.execute(
                text("INSERT INTO fund_leases (fund_id, holder, outstanding, beat) VALUES (:f, 'jrn', :a, 1)"), row
            )

    def credits(self) -> list[Credit]:
        """In the order in which they came."""
        with self.database.read() as tx:
            return credits.list_credits(tx, self.organization_id, None, None, 1000)[::-1]

    def posted(self, transaction_id: str) -> dict[tuple[str, str], int]:
        """Amounts by account and what tells entries of one account apart."""
        wanted = text("SELECT account, quantity, amount FROM ledger_entries WHERE transaction_id = :t")
        with self.database.read() as tx:
            return {(row.account, row.quantity): row.amount for row in tx.execute(wanted, {"t": transaction_id})}

    def balances(self) -> dict[str, int]:
        """Of each account, of all projects."""
        with self.database.read() as tx:
            rows = tx.execute(text("SELECT account, sum(amount) FROM ledger_entries GROUP BY account")).all()
        return {account: int(amount) for account, amount in rows}

    def check(self) -> None:
        """What must hold at any time."""
        sums = text(
            "SELECT f.id, f.allowed - f.spent AS left_over, coalesce(sum(c.remaining), 0) AS remaining "
            "FROM funds f LEFT JOIN fund_credits c ON c.fund_id = f.id GROUP BY f.id, f.allowed, f.spent"
        )
        with self.database.read() as tx:
            for row in tx.execute(sums):
                assert row.left_over == row.remaining >= 0
            assert ledger.verify(tx, None).problems == []
        found = self.credits()
        assert all(one.remaining >= 0 and one.expired >= 0 and one.spent >= 0 for one in found)
        kept = self.balances()
        assert kept.get("prepaid", 0) == -sum(one.remaining for one in found if one.kind == "top_up")
        assert kept.get("credits", 0) == sum(one.spent for one in found if one.kind == "grant")
        assert kept.get("cash", 0) == sum(one.amount for one in found if one.kind == "top_up")


@pytest.fixture
def shop(database: Database) -> Shop:
    return open_shop(database)


def open_shop(database: Database) -> Shop:
    with database.write() as tx:
        first = identity.bootstrap(tx)
        price = billing.ensure_price(tx, "ship", Card(input=10**6, cached_input=0, output=0, training=0))
    return Shop(database, first.organization_id, first.project_id, price)
