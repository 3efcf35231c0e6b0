"""A discount is pinned like the price: rated exactly, kept on the row, and a line of its own on the invoice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy import billing
from argosy.billing import INVOICED, RECEIVABLE, REVENUE, invoices
from argosy.billing.frames import Void, encode
from argosy.billing.ledger import store as ledger_store
from argosy.billing.reports import Question, get_event, report
from argosy.core import charge


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 100))
def test_a_discounted_charge_is_rounded_once_half_up(quantity, price, discount):
    exact, whole = quantity * price * (100 - discount), 100 * 1_000_000
    assert -whole <= 2 * (exact - charge(quantity, price, discount) * whole) < whole
    assert charge(quantity, price, 0) == charge(quantity, price)
    assert charge(quantity, price, 100) == 0


def test_rounding_comes_after_the_discount_and_not_twice():
    assert charge(3, 500_000) == 2  # 1.5
    assert charge(3, 500_000, 50) == 1  # 0.75, where half of 2 is 1 as well
    assert charge(1, 900_000, 50) == 0  # 0.45, where half of 1 would round up
    assert charge(1, 1_000_000, 50) == 1  # 0.5 is half up


@pytest.mark.parametrize("discount", [-1, 101, 150])
def test_a_discount_that_is_no_percentage_is_refused_where_it_is_made(meter, discount):
    with pytest.raises(ValueError, match="discount"):
        charge(1, 1, discount)
    with pytest.raises(ValueError, match="discount"):
        meter.event("req_1", discount=discount)


def test_the_discount_is_on_the_row_the_ledger_and_a_line_of_its_own(database, tenants, meter):
    counts = {"prompt_tokens": 1_001, "cached_tokens": 400, "completion_tokens": 11}
    plain = meter.event("req_1", at=100, **counts)
    half = [meter.event(f"req_b_{n}", at=110, discount=50, batch_id="batch_1", **counts) for n in range(2)]
    with database.write() as tx:
        assert billing.record(tx, [plain, *half]) == 3
        assert billing.record(tx, half) == 0, "a line that ran again is charged once"
        shown = get_event(tx, "proj_a", "req_b_1")
        assert (shown.discount, shown.batch_id) == (50, "batch_1")
        assert shown.amounts == {"input": 45, "cached_input": 15, "output": 3, "training": 0, "measured": 0}
        (bucket,), _ = report(tx, ["proj_a"], Question(0, 200, 3600, 1, ("batch",)), training=False)
        assert {bool(totals.group["batch"]): totals.events for totals in bucket.results} == {False: 1, True: 2}
    invoice = invoices.close(database, "proj_a", 0, 200)
    with database.read() as tx:
        lines = [(line.quantity, line.units, line.unit_price, line.discount, line.amount) for line in invoice.lines]
        assert lines == [
            ("input", 601, 150_000, 0, 90),
            ("cached_input", 400, 75_000, 0, 30),
            ("output", 11, 600_000, 0, 7),
            ("input", 1_202, 150_000, 50, 90),
            ("cached_input", 800, 75_000, 50, 30),
            ("output", 22, 600_000, 50, 6),
        ]
        total = 127 + 126
        assert invoice.total == sum(line.amount for line in invoice.lines) == total
        assert billing.balances(tx, "proj_a") == {RECEIVABLE: 0, INVOICED: total, REVENUE: -total}
        assert ledger_store.unbalanced_transactions(tx) == []
        assert invoices.get_invoice(tx, "proj_a", invoice.id) == invoice
    page = invoices.render_page(invoice, "zh")
    assert page.count("减 50 %") == 3


def test_the_open_line_of_a_batch_costs_nothing_when_its_api_dies(database, meter, journals):
    import msgspec

    intent = meter.intent("req_b_1")
    line = msgspec.structs.replace(intent, batch_id="batch_1", discount=50)
    ended = line.ended("complete", 9, prompt=1_000, completion=0)
    other = msgspec.structs.replace(line, id="req_b_2")
    folder = journals / "jrn_1"
    folder.mkdir(parents=True)
    records = [line, other, Void("req_b_1"), line, ended]
    (folder / "000000001.journal").write_bytes(b"".join(map(encode, records)))
    assert billing.recover(journals, database).posted == 1
    with database.read() as tx:
        assert billing.balance(tx, "proj_a", RECEIVABLE) == 75
