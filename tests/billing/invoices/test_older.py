"""What was there before organizations had invoices: it stays as it was sent, and nothing of it is billed twice."""

import pytest
from sqlalchemy import text
from tests.billing.conftest import Card, Meter

from argosy import billing
from argosy.billing import invoices
from argosy.runtime import Database
from argosy.runtime.migrations import migrate

from .conftest import Office

BEFORE = "0019"
EVENT = (
    "INSERT INTO usage_events (id, project_id, kind, model, base_model, price_version, started_us, finished_us, "
    "prompt_tokens, cached_tokens, completion_tokens, training_tokens, estimated, outcome, input_amount, "
    "cached_input_amount, output_amount, training_amount, fund) VALUES (:id, :project, 'chat.completion', 'ship', "
    "'ship', :price, 1, :at, 1000000, 0, 0, 0, false, 'complete', 150000, 0, 0, 0, :fund)"
)
ENTRY = (
    "INSERT INTO ledger_entries (id, transaction_id, account, project_id, amount, currency, model, quantity, usage_id, "
    "created_at) VALUES (:n, :of, :account, :project, :amount, 'USD', 'ship', '', :usage, 1)"
)
INVOICE = (
    "INSERT INTO invoices (id, project_id, number, period_start, period_end, currency, total, event_count, created_at) "
    "VALUES ('inv_old', 'proj_a', 3, 0, 100, 'USD', 300000, 2, 1)"
)
LINE = (
    "INSERT INTO invoice_lines (invoice_id, position, model, quantity, price_version, units, unit_price, amount) "
    "VALUES ('inv_old', 0, 'ship', 'input', :price, 2000000, 150000, 300000)"
)


@pytest.fixture
def before(empty_database: Database) -> Database:
    """Two events on an invoice of a project, a credit having paid for part of one; one in each project on none."""
    migrate(empty_database, BEFORE)
    number = iter(range(1, 100))
    with empty_database.write() as tx:

        def run(statement: str, **values: object) -> None:
            tx.execute(text(statement), values)

        def entry(of: str, account: str, amount: int, project: str = "proj_a", usage: str | None = None) -> None:
            run(ENTRY, n=next(number), of=of, account=account, project=project, amount=amount, usage=usage)

        run("INSERT INTO organizations VALUES ('org_a', 'Org a', 'org-a', 1)")
        for name in ("a", "b"):
            run(f"INSERT INTO projects VALUES ('proj_{name}', 'org_a', 'Project {name}', 1)")
        price = "INSERT INTO price_versions (id, model, version, currency, input, cached_input, output, training, "
        run(price + "created_at) VALUES ('price_1', 'ship', 1, 'USD', 150000, 75000, 600000, 3000000, 1)")
        for id_, at, project, credited in (
            ("req_1", 50, "proj_a", 0),
            ("req_2", 60, "proj_a", 40_000),
            ("req_3", 150, "proj_a", 0),
            ("req_4", 30, "proj_b", 0),
        ):
            run(EVENT, id=id_, project=project, at=at * 10**6, price="price_1", fund="fund_1" if credited else "")
            entry(id_, "revenue", -150_000, project, id_)
            entry(id_, "receivable", 150_000 - credited, project, id_)
            if credited:
                entry(id_, "credits", credited, project, id_)
        run(INVOICE)
        run(LINE, price="price_1")
        run("INSERT INTO invoice_series (project_id, last) VALUES ('proj_a', 3)")
        for id_ in ("req_1", "req_2"):
            run("INSERT INTO invoice_items (usage_id, invoice_id) VALUES (:id, 'inv_old')", id=id_)
        entry("inv_old", "invoiced", 260_000)
        entry("inv_old", "receivable", -260_000)
    migrate(empty_database)
    return empty_database


def test_an_invoice_of_a_project_stays_as_it_was_sent(before: Database) -> None:
    with before.read() as tx:
        old = invoices.get_invoice(tx, "proj_b", "inv_old")
        part = invoices.get_invoice(tx, "proj_a", "inv_old", only_project="proj_a")
        with pytest.raises(Exception, match="no invoice"):
            invoices.get_invoice(tx, "proj_b", "inv_old", only_project="proj_b")
    assert (old.number, old.total, old.covered_credits, old.subtotal, old.due) == (3, 300_000, 40_000, 260_000, 260_000)
    assert [(line.project_name, line.amount) for line in old.lines] == [("Project a", 300_000)]
    assert part.subtotal == 260_000
    assert "0.300000" in invoices.render_page(old, "zh")


def test_what_was_on_none_is_on_the_next_one_and_numbers_go_on(before: Database) -> None:
    office = Office(before, Meter("price_1"), Card())
    office.use("req_new", 160, prompt_tokens=1_000_000)
    office.use("req_late", 20, prompt_tokens=1_000_000)
    made = office.close(None, 200)
    assert (made.number, made.period_start, made.event_count, made.total) == (4, 100, 4, 600_000)
    assert office.on(made) == {"req_3", "req_new", "req_late"}
    assert office.on(made, "proj_b") == {"req_4"}
    with before.read() as tx:
        assert office.on(invoices.get_invoice(tx, "proj_a", "inv_old")) == {"req_1", "req_2"}
        assert billing.balance(tx, "proj_a", "receivable") == billing.balance(tx, "proj_b", "receivable") == 0
    office.books_agree()
    office.use("req_next", 250)
    assert office.close(None, 300).event_count == 1


def test_an_old_invoice_is_paid_and_credited_as_new_ones_are(before: Database) -> None:
    with before.write() as tx:
        invoices.pay(tx, "proj_a", "inv_old", 60_000, "bank 1")
        invoices.credit(tx, "proj_a", "inv_old", "wrong", amount=200_000)
        assert invoices.standing_of(tx, invoices.get_invoice(tx, "proj_a", "inv_old")).left == 0
