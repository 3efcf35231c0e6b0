"""Closing periods: every event on one invoice, and the sums agree everywhere."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argosy import billing
from argosy.billing import INVOICED, RECEIVABLE, REVENUE, invoices
from argosy.billing.credits import NewCredit, add_credit
from argosy.billing.ledger import store as ledger_store
from argosy.billing.reports import EventFilter, list_events
from argosy.core import Conflict, Invalid, NotFound, now
from argosy.identity import bootstrap, organization_of
from argosy.runtime import Database

from .conftest import Card, Meter


def use(database: Database, meter: Meter, id_: str, at: float, project: str = "proj_a", **counts: object) -> None:
    with database.write() as tx:
        counts = counts or {"prompt_tokens": 1_000}
        assert billing.record(tx, [meter.event(id_, at=at, project=project, **counts)]) == 1


def close(database: Database, start: int | None, end: int | None) -> invoices.Invoice:
    with database.write() as tx:
        return invoices.close(tx, "proj_a", start, end)


def on_invoice(database: Database, invoice: invoices.Invoice) -> set[str]:
    with database.read() as tx:
        return {line.id for line in list_events(tx, "proj_a", EventFilter(invoice_id=invoice.id))}


def test_an_invoice_has_a_line_per_model_and_quantity(database: Database, meter: Meter) -> None:
    use(database, meter, "req_1", 100, prompt_tokens=1_000, cached_tokens=400, completion_tokens=10)
    use(database, meter, "req_2", 150, prompt_tokens=7)
    use(database, meter, "ftjob-1", 160, kind="training", training_tokens=2_000)
    use(database, meter, "req_3", 170, model="ft:ship:argosy:x:1", completion_tokens=3)
    use(database, meter, "req_theirs", 100, project="proj_b")
    invoice = close(database, 0, 200)
    assert [(line.model, line.quantity, line.units, line.unit_price, line.amount) for line in invoice.lines] == [
        ("ft:ship:argosy:x:1", "output", 3, 600_000, 2),
        ("ship", "input", 607, 150_000, 90 + 1),
        ("ship", "cached_input", 400, 75_000, 30),
        ("ship", "output", 10, 600_000, 6),
        ("ship", "training", 2_000, 3_000_000, 6_000),
    ]
    assert (invoice.number, invoice.total, invoice.event_count, invoice.currency) == (1, 6_129, 4, "USD")
    with database.read() as tx:
        assert billing.balances(tx, "proj_a") == {RECEIVABLE: 0, INVOICED: 6_129, REVENUE: -6_129}
        assert ledger_store.unbalanced_transactions(tx) == []
        assert invoices.get_invoice(tx, "proj_a", invoice.id) == invoice
        assert invoices.list_invoices(tx, "proj_a") == [invoice]


def test_a_late_event_is_on_the_next_invoice_and_no_event_on_two(database: Database, meter: Meter) -> None:
    use(database, meter, "req_1", 150)
    use(database, meter, "req_edge", 200)
    first = close(database, 100, 200)
    use(database, meter, "req_late", 199)
    use(database, meter, "req_before_all", 50)
    second = close(database, 200, 300)
    assert on_invoice(database, first) == {"req_1"}
    assert on_invoice(database, second) == {"req_edge", "req_late"}
    assert on_invoice(database, close(database, 0, 100)) == {"req_before_all"}
    assert [first.number, second.number] == [1, 2]


def test_closing_again_gives_the_same_invoice(database: Database, meter: Meter) -> None:
    use(database, meter, "req_1", 150)
    first = close(database, 100, 200)
    assert close(database, 100, 200) == first
    with pytest.raises(Conflict, match="overlaps"):
        close(database, 150, 250)
    with database.read() as tx:
        assert billing.balance(tx, "proj_a", INVOICED) == 150


def test_by_default_everything_up_to_now_is_closed(database: Database, meter: Meter) -> None:
    with pytest.raises(Conflict, match="nothing to invoice"):
        close(database, None, None)
    use(database, meter, "req_1", now())
    first = close(database, None, None)
    assert (first.period_start, first.event_count, first.number) == (0, 1, 1)
    with pytest.raises(Conflict, match="nothing to invoice"):
        close(database, None, None)
    use(database, meter, "req_late", first.period_end - 1)
    with pytest.raises(Invalid) as early:
        close(database, first.period_end, now() + 3_600)
    assert early.value.code == "period_not_over"


def test_two_who_close_at_once_do_not_bill_twice(database: Database, meter: Meter) -> None:
    for n in range(20):
        use(database, meter, f"req_{n}", n * 10)

    def attempt(end: int) -> invoices.Invoice | None:
        try:
            return close(database, 0, end)
        except Conflict:
            return None

    with ThreadPoolExecutor(6) as pool:
        made = [invoice for invoice in pool.map(attempt, [100, 200, 100, 150, 200, 100]) if invoice]
    assert len({invoice.id for invoice in made}) == 1
    with database.read() as tx:
        assert billing.balance(tx, "proj_a", INVOICED) == made[0].total
        assert [invoice.number for invoice in invoices.list_invoices(tx, "proj_a")] == [1]


def test_a_new_price_has_a_line_of_its_own(database: Database, meter: Meter, card: Card) -> None:
    use(database, meter, "req_1", 100)
    with database.write() as tx:
        dearer = Meter(billing.ensure_price(tx, "ship", replace(card, input=1_000_000)))
    use(database, dearer, "req_2", 150)
    assert [(line.unit_price, line.amount) for line in close(database, 0, 200).lines] == [
        (150_000, 150),
        (1_000_000, 1_000),
    ]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 999), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=12))
def test_invoices_add_up_to_the_ledger(database: Database, meter: Meter, used: list[tuple[int, int, int]]) -> None:
    with database.write() as tx:
        taken, offset = len(list_events(tx, "proj_a", EventFilter(), limit=9_999)), 0
        if earlier := invoices.list_invoices(tx, "proj_a"):
            offset = earlier[0].period_end
        events = [
            meter.event(f"req_{taken + n}", at=offset + at, prompt_tokens=prompt + 1, completion_tokens=output)
            for n, (at, prompt, output) in enumerate(used)
        ]
        billing.record(tx, events[::2])
        invoices.close(tx, "proj_a", offset, offset + 1_000)
        billing.record(tx, events[1::2])
        if events[1::2]:
            invoices.close(tx, "proj_a", offset + 1_000, offset + 2_000)
        made = invoices.list_invoices(tx, "proj_a", limit=1_000)
        assert all(invoice.total == sum(line.amount for line in invoice.lines) for invoice in made)
        assert billing.balance(tx, "proj_a", INVOICED) == sum(invoice.total for invoice in made)
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 0
        assert sum(invoice.event_count for invoice in made) == taken + len(events)
        assert ledger_store.unbalanced_transactions(tx) == []


def test_another_projects_invoice_does_not_exist(database: Database, meter: Meter) -> None:
    use(database, meter, "req_1", 150)
    invoice = close(database, 100, 200)
    with database.read() as tx, pytest.raises(NotFound):
        invoices.get_invoice(tx, "proj_b", invoice.id)


def test_the_page_is_in_both_languages_and_trusts_no_name(database: Database, meter: Meter) -> None:
    use(database, meter, "req_1", 150, model="<script>", prompt_tokens=1_000_000)
    invoice = close(database, 100, 200)
    english, chinese = (invoices.render_page(invoice, "R&D <b>", language) for language in ("en", "zh"))
    assert "Invoice" in english
    assert "账单" in chinese
    for page in (english, chinese):
        assert "0.150000 USD" in page
        assert "&lt;script&gt;" in page
        assert "<script>" not in page
        assert "R&amp;D &lt;b&gt;" in page
        assert "http" not in page


def test_a_kept_answer_is_on_the_invoice_and_costs_nothing(database: Database, meter: Meter) -> None:
    saved = {"saved_prompt_tokens": 900, "saved_completion_tokens": 40}
    use(database, meter, "req_1", 100, outcome="cached", attempts=0, **saved)
    with pytest.raises(Conflict, match="nothing to invoice"):
        close(database, 0, 150)
    use(database, meter, "req_2", 160, outcome="cached", prompt_tokens=100, **saved)
    charged = close(database, 0, 200)
    assert charged.event_count == 2
    assert [(line.quantity, line.units, line.amount) for line in charged.lines] == [("input", 100, 15)]
    with database.read() as tx:
        assert billing.balances(tx, "proj_a")[REVENUE] == -15
        [second, first] = list_events(tx, "proj_a", EventFilter())
        assert (first.total, first.saved_prompt_tokens, first.saved_completion_tokens) == (0, 900, 40)
        assert (second.total, second.units["input"]) == (15, 100)


def test_what_credits_paid_is_not_owed_again(database: Database, meter: Meter) -> None:
    with database.write() as tx:
        project = bootstrap(tx).project_id
        organization = organization_of(tx, project).id
        new = NewCredit(kind="grant", amount=100, currency="USD", scope="organization", subject=organization)
        fund = add_credit(tx, organization, new).fund_id
        paid = meter.event("req_1", project=project, at=100, prompt_tokens=1_000, fund=fund)
        owed = meter.event("req_2", project=project, at=101, prompt_tokens=2_000)
        assert billing.record(tx, [paid, owed]) == 2
        invoice = invoices.close(tx, project)
        assert (invoice.total, invoice.covered, invoice.due) == (450, 100, 350)
        assert invoices.get_invoice(tx, project, invoice.id) == invoice
        assert '<td class="n">0.000350 USD' in invoices.render_page(invoice, "default", "en")
        found = billing.balances(tx, project)
    assert (found[RECEIVABLE], found[INVOICED], found[REVENUE]) == (0, 350, -450)
