"""Closing periods: every event and every correction on one invoice, and the sums agree everywhere."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Barrier

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from argosy import billing
from argosy.billing import INVOICED, RECEIVABLE, REVENUE, Terms, invoices
from argosy.billing.invoices import Invoice, closing
from argosy.billing.reports import EventFilter, get_event, list_events
from argosy.core import Conflict, Invalid, NotFound, now

from .conftest import Office

SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_an_invoice_has_a_line_per_project_model_and_quantity(office: Office) -> None:
    office.use("req_1", 100, prompt_tokens=1_000, cached_tokens=400, completion_tokens=10)
    office.use("req_2", 150, prompt_tokens=7)
    office.use("ftjob-1", 160, kind="training", training_tokens=2_000)
    office.use("req_3", 170, model="ft:ship:argosy:x:1", completion_tokens=3)
    office.use("req_b", 170, project="proj_b", prompt_tokens=20)
    office.use("req_theirs", 100, project="proj_theirs")
    invoice = office.close(0, 200)
    assert [(line.project_name, line.model, line.quantity, line.units, line.amount) for line in invoice.lines] == [
        ("Project a", "ft:ship:argosy:x:1", "output", 3, 2),
        ("Project a", "ship", "input", 607, 90 + 1),
        ("Project a", "ship", "cached_input", 400, 30),
        ("Project a", "ship", "output", 10, 6),
        ("Project a", "ship", "training", 2_000, 6_000),
        ("Project b", "ship", "input", 20, 3),
    ]
    assert (invoice.number, invoice.total, invoice.event_count, invoice.currency) == (1, 6_132, 5, "USD")
    with office.database.read() as tx:
        assert billing.balances(tx, "proj_a") == {RECEIVABLE: 0, INVOICED: 6_129, REVENUE: -6_129}
        assert billing.balances(tx, "proj_b") == {RECEIVABLE: 0, INVOICED: 3, REVENUE: -3}
        assert billing.balances(tx, "proj_theirs") == {RECEIVABLE: 150, REVENUE: -150}
        assert invoices.get_invoice(tx, "proj_b", invoice.id) == invoice
        assert invoices.list_invoices(tx, "proj_a") == [invoice]
    office.books_agree()


def test_a_late_event_is_on_the_next_invoice_and_no_event_on_two(office: Office) -> None:
    office.use("req_1", 150)
    office.use("req_edge", 200)
    first = office.close(100, 200)
    office.use("req_late", 199)
    office.use("req_before_all", 50)
    second = office.close(200, 300)
    office.use("req_later_still", 120)
    office.use("req_far", 400)
    third = office.close(300, 500)
    assert office.on(first) == {"req_1"}
    assert office.on(second) == {"req_edge", "req_late", "req_before_all"}
    assert office.on(third) == {"req_later_still", "req_far"}
    assert [invoice.event_count for invoice in (first, second, third)] == [1, 3, 2]
    assert [invoice.number for invoice in (first, second, third)] == [1, 2, 3]
    with office.database.read() as tx:
        assert get_event(tx, "proj_a", "req_late").invoice_id == second.id
    office.books_agree()


def test_what_was_posted_before_a_closing_and_finished_after_its_period_is_on_the_next(office: Office) -> None:
    office.use("req_1", 50)
    office.use("req_2", 150)
    first, second = office.close(0, 100), office.close(100, 200)
    assert (office.on(first), office.on(second)) == ({"req_1"}, {"req_2"})


def test_closing_again_gives_the_same_invoice(office: Office) -> None:
    office.use("req_1", 150)
    first = office.close(100, 200)
    office.use("req_late", 150)
    assert office.close(100, 200) == first
    with pytest.raises(Conflict, match="overlaps"):
        office.close(150, 250)
    with pytest.raises(Conflict, match="overlaps"):
        office.close(0, 1_000)
    assert office.balance(INVOICED) == first.due


@pytest.mark.parametrize(("start", "end", "code"), [(0, 100, "period_closed"), (300, 400, "period_gap")])
def test_nothing_is_left_out_between_two_periods(office: Office, start: int, end: int, code: str) -> None:
    office.use("req_1", 150)
    office.close(100, 200)
    office.use("req_2", 250)
    office.use("req_3", 350)
    with pytest.raises(Conflict) as refused:
        office.close(start, end)
    assert refused.value.code == code
    with pytest.raises(Conflict, match="nothing to invoice"):
        office.close(None, 150)
    assert office.on(office.close(None, 400)) == {"req_2", "req_3"}


def test_by_default_everything_up_to_now_is_closed(office: Office) -> None:
    with pytest.raises(Conflict, match="nothing to invoice"):
        office.close()
    office.use("req_1", now())
    first = office.close()
    assert (first.period_start, first.event_count, first.number) == (0, 1, 1)
    with pytest.raises(Conflict, match="nothing to invoice"):
        office.close()
    with pytest.raises(Invalid) as early:
        office.close(first.period_end, now() + 3_600)
    assert early.value.code == "period_not_over"
    with pytest.raises(Conflict, match="nothing to invoice"):
        office.close(9, 3)


def test_a_clock_that_steps_back_loses_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.use("req_1", now())
    first = office.close()
    with monkeypatch.context() as patch:
        patch.setattr(closing, "now", lambda: now() - 7_200)
        office.use("req_back", now() - 7_200)
        with pytest.raises(Conflict) as refused:
            office.close()
        assert refused.value.code == "clock_behind"
    monkeypatch.setattr(closing, "now", lambda: now() + 60)
    assert office.on(office.close()) == {"req_back"}
    assert first.number == 1
    office.books_agree()


def test_two_who_close_at_once_do_not_bill_twice(office: Office) -> None:
    for n in range(20):
        office.use(f"req_{n}", n * 10)

    def attempt(end: int) -> Invoice | None:
        try:
            return office.close(0, end)
        except Conflict:
            return None

    with ThreadPoolExecutor(6) as pool:
        made = [invoice for invoice in pool.map(attempt, [100, 200, 100, 150, 200, 100]) if invoice]
    assert len({invoice.id for invoice in made}) == 1
    assert office.balance(INVOICED) == made[0].due
    assert [invoice.number for invoice in office.all_invoices()] == [1]


def test_who_posts_while_others_close_is_on_one_invoice_and_nobody_waits_for_ever(office: Office) -> None:
    together, began = Barrier(3), now() - 100

    def post(who: int) -> None:
        together.wait()
        for n in range(30):
            office.record([office.meter.event(f"req_{who}_{n}", at=began + n, prompt_tokens=7 * n + who)])

    def shut() -> None:
        together.wait()
        for n in range(1, 8):
            with suppress(Conflict):  # nothing was used in these seconds
                office.close(None, began + 5 * n)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(post, 0), pool.submit(post, 1), pool.submit(shut)]:
            done.result(60)
    office.use("req_last", now())
    office.close()
    with office.database.read() as tx:
        events = list_events(tx, "proj_a", EventFilter(), limit=1_000)
    made = {invoice.id: invoice for invoice in office.all_invoices()}
    assert {event.invoice_id for event in events} == set(made)
    for id_, invoice in made.items():
        mine = [event for event in events if event.invoice_id == id_]
        assert (len(mine), sum(event.total for event in mine)) == (invoice.event_count, invoice.total)
    assert office.balance(RECEIVABLE) == 0
    office.books_agree()


def test_a_new_price_has_a_line_of_its_own(office: Office) -> None:
    office.use("req_1", 100)
    office.record([office.reprice(input=1_000_000).event("req_2", at=150, prompt_tokens=1_000)])
    lines = office.close(0, 200).lines
    assert [(line.unit_price, line.amount) for line in lines] == [(150_000, 150), (1_000_000, 1_000)]


def test_what_else_was_measured_is_a_line_by_its_name(office: Office) -> None:
    with office.database.write() as tx:
        terms = Terms("USD", 150_000, 75_000, 600_000, measured={"engine_seconds": 2_000_000, "storage_mib_hours": 5})
        meter = replace(office.meter, price_version=billing.ensure_price(tx, "ship", terms))
    hours = {"measured": "engine_seconds", "measured_units": 3_600, "kind": "engine"}
    office.record([meter.event(f"eng_{n}", at=100 + n, **hours) for n in range(2)])
    office.record([meter.event("req_1", at=100, prompt_tokens=10, measured="storage_mib_hours", measured_units=10**6)])
    office.record([meter.event("req_2", at=100, prompt_tokens=10)])
    made = office.close(0, 200)
    assert [(line.quantity, line.units, line.unit_price, line.amount) for line in made.lines] == [
        ("input", 20, 150_000, 4),
        ("engine_seconds", 7_200, 2_000_000, 14_400),
        ("storage_mib_hours", 10**6, 5, 5),
    ]
    assert "引擎运行（秒）" in invoices.render_page(made, "zh")
    office.books_agree()


def test_two_currencies_are_on_no_invoice_together(office: Office) -> None:
    office.use("req_1", 100)
    with office.database.write() as tx:  # prices are kept to one currency, so somebody must have meddled
        tx.execute(
            text(
                "INSERT INTO price_versions (id, model, version, currency, input, cached_input, output, training, "
                "created_at) VALUES ('price_cny', 'ship', 9, 'CNY', 1000000, 1, 1, 1, 1)"
            )
        )
    office.record([replace(office.meter, price_version="price_cny").event("req_2", at=150, prompt_tokens=9)])
    with pytest.raises(Conflict, match="CNY and USD") as refused:
        office.close(0, 200)
    assert refused.value.code == "mixed_currencies"
    assert (office.close(0, 120).currency, office.close(120, 200).currency) == ("USD", "CNY")


@SLOW
@given(
    st.lists(st.tuples(st.integers(0, 999), st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=12),
    st.integers(0, 10_000),
)
def test_invoices_add_up_to_the_ledger(office: Office, used: list[tuple[int, int, int]], tax_rate: int) -> None:
    with office.database.read() as tx:
        taken, offset = len(list_events(tx, "proj_a", EventFilter(), limit=9_999)), 0
    if earlier := office.all_invoices():
        offset = earlier[0].period_end
    office.profile(tax_rate=tax_rate)
    events = [
        office.meter.event(f"req_{taken + n}", at=offset + at, prompt_tokens=prompt + 1, completion_tokens=output)
        for n, (at, prompt, output) in enumerate(used)
    ]
    office.record(events[::2])
    office.close(None, offset + 1_000)
    office.record(events[1::2])
    if events[1::2]:
        office.close(None, offset + 2_000)
    made = office.all_invoices()
    assert office.balance(INVOICED) == sum(invoice.due for invoice in made)
    assert office.balance(RECEIVABLE) == 0
    assert sum(invoice.event_count for invoice in made) == taken + len(events)
    office.books_agree()


def test_strangers_and_projects_see_only_their_own(office: Office) -> None:
    office.use("req_1", 150)
    office.use("req_b", 150, project="proj_b", prompt_tokens=100)
    invoice = office.close(100, 200)
    only_b = office.use("req_b2", 250, project="proj_b", prompt_tokens=100)
    second = office.close(200, 300)
    with office.database.read() as tx:
        for seen in ({}, {"only_project": "proj_theirs"}):
            with pytest.raises(NotFound):
                invoices.get_invoice(tx, "proj_theirs", invoice.id, **seen)
        assert invoices.list_invoices(tx, "proj_theirs") == []
        part = invoices.get_invoice(tx, "proj_b", invoice.id, only_project="proj_b")
        assert {line.project_id for line in part.lines} == {"proj_b"}
        assert (part.total, part.subtotal, part.due, part.event_count, part.part_of) == (15, 15, 0, 1, "proj_b")
        assert [one.id for one in invoices.list_invoices(tx, "proj_a", only_project="proj_a")] == [invoice.id]
        with pytest.raises(NotFound):
            invoices.get_invoice(tx, "proj_a", second.id, only_project="proj_a")
    assert only_b.project_id == "proj_b"


def test_a_kept_answer_is_on_the_invoice_and_costs_nothing(office: Office) -> None:
    saved = {"saved_prompt_tokens": 900, "saved_completion_tokens": 40}
    office.use("req_1", 100, outcome="cached", attempts=0, **saved)
    with pytest.raises(Conflict, match="nothing to invoice"):
        office.close(0, 150)
    office.use("req_2", 160, outcome="cached", prompt_tokens=100, **saved)
    charged = office.close(0, 200)
    assert charged.event_count == 2
    assert [(line.quantity, line.units, line.amount) for line in charged.lines] == [("input", 100, 15)]
    with office.database.read() as tx:
        assert billing.balances(tx, "proj_a")[REVENUE] == -15
        [second, first] = list_events(tx, "proj_a", EventFilter())
        assert (first.total, first.saved_prompt_tokens, first.saved_completion_tokens) == (0, 900, 40)
        assert (second.total, second.units["input"]) == (15, 100)


def test_what_credits_and_prepaid_money_paid_is_not_owed_again(office: Office) -> None:
    fund = office.fund("grant", 100)
    office.fund("top_up", 30)
    paid = office.meter.event("req_1", at=100, prompt_tokens=1_000, fund=fund)
    owed = office.meter.event("req_2", at=101, project="proj_b", prompt_tokens=2_000)
    assert office.record([paid, owed]) == 2
    invoice = office.close()
    assert (invoice.total, invoice.covered_credits, invoice.covered_prepaid, invoice.subtotal) == (450, 100, 30, 320)
    assert [share.owed for share in invoice.shares] == [20, 300]
    assert (invoice.due, invoice.rounding) == (0, -320)
    assert office.balance(RECEIVABLE) == 0
    office.books_agree()


def test_what_was_given_back_is_taken_off_the_next_invoice(office: Office) -> None:
    office.use("req_1", 100, prompt_tokens=1_000_000)
    first = office.close(0, 200)
    office.give_back("req_1", 60_000)
    with pytest.raises(Conflict, match="nothing to invoice"):
        office.close(200, 200)
    with pytest.raises(Conflict, match=r"0\.060000 USD more was given back") as refused:
        office.close(200, 300)
    assert refused.value.code == "negative_invoice"
    office.use("req_2", 250, prompt_tokens=1_000_000)
    second = office.close(200, 300)
    assert [(line.quantity, line.units, line.unit_price, line.amount) for line in second.lines] == [
        ("input", 1_000_000, 150_000, 150_000),
        ("correction", 1, 0, -60_000),
    ]
    assert (first.due, second.subtotal, second.due) == (150_000, 90_000, 90_000)
    assert office.balance(RECEIVABLE) == 0
    office.books_agree()


def test_what_was_given_back_to_a_balance_is_not_taken_off(office: Office) -> None:
    fund = office.fund("top_up", 10**6)
    office.record([office.meter.event("req_1", at=100, prompt_tokens=1_000_000, fund=fund)])
    office.close(0, 200)
    office.give_back("req_1")
    office.use("req_2", 250, prompt_tokens=1_000_000)
    second = office.close(200, 300)
    assert (second.total, second.covered_prepaid, second.subtotal) == (0, -150_000, 150_000)
    assert office.balance(RECEIVABLE) == 0
    office.books_agree()


@SLOW
@given(st.lists(st.tuples(st.sampled_from(["use", "back", "close"]), st.integers(1, 10**6)), max_size=14))
def test_in_any_order_nothing_is_left_and_nothing_is_twice(office: Office, steps: list[tuple[str, int]]) -> None:
    with office.database.read() as tx:
        used = [event.id for event in list_events(tx, "proj_a", EventFilter(), limit=9_999)]
    at = max((invoice.period_end for invoice in office.all_invoices()), default=0)
    for step, amount in [*steps, ("use", 10**9), ("close", 1)]:
        at += 1
        if step == "use":
            used.append(f"req_{len(used)}")
            office.use(used[-1], at - amount % 3, prompt_tokens=amount)
        elif step == "back" and used:
            try:
                office.give_back(used[amount % len(used)], 1 + amount % 1_000)
            except (Conflict, NotFound):  # nothing is left of it, or it cost nothing
                continue
        elif step == "close":
            with suppress(Conflict):  # nothing was used, or more was given back
                office.close(None, at + 1)
    assert office.balance(RECEIVABLE) == 0
    made = office.all_invoices()
    assert sum(invoice.total for invoice in made) == -office.balance(REVENUE) - office.balance("correction")
    assert sum(invoice.event_count for invoice in made) == len(used)
    office.books_agree()
