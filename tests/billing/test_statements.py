"""An owner's statement adds up to what the ledger says, period after period, and opens in a spreadsheet harmlessly."""

import csv
import io
from dataclasses import replace

import pytest
from sqlalchemy import text

from argosy.billing import corrections, shares
from argosy.billing.shares import Statement, Tier
from argosy.core import Invalid, NotFound
from argosy.runtime import Database

from .conftest import Meter
from .test_shares import TERMS, agree, owed, record

JANUARY, FEBRUARY, MARCH, APRIL = (shares.month_period(f"2026-0{n}")[0] for n in (1, 2, 3, 4))


def state(database: Database, start: int, end: int, owner: str = "lab") -> Statement:
    with database.read() as tx:
        return shares.state(tx, owner, start, end)


def adds_up(found: Statement) -> bool:
    moves = (*found.earned, *found.taken_back)
    return found.closing == found.opening + sum(m.share for m in moves) + sum(m.amount for m in found.movements)


@pytest.fixture
def busy(database: Database, meter: Meter, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Three months with use, an adapter, a new version, a refund and a payout."""
    clock = {"now": JANUARY + 5}
    for module in ("ledger.store", "shares.payouts", "corrections.correcting"):
        monkeypatch.setattr(f"argosy.billing.{module}.now", lambda: clock["now"])
    agree(database, replace(TERMS, tiers=(Tier(10**6, 1_000),)))
    agree(database, replace(TERMS, model="mine", owner="other", owner_name="Other", basis_points=100))
    for n, month in enumerate((JANUARY, FEBRUARY, MARCH)):
        clock["now"] = month + 5
        if month == FEBRUARY:
            agree(database, replace(TERMS, basis_points=5_000, effective_from=FEBRUARY), at=JANUARY)
        at = {"at": month + 4.0, "prompt_tokens": 1_000_000}
        record(database, *(meter.event(f"req_{n}_{k}", **at) for k in range(5)))
        record(database, meter.event(f"req_{n}_a", **at, model="mine", base_model="ship"))
        record(database, meter.event(f"req_{n}_free", **at | {"prompt_tokens": 0}))
    clock["now"] = MARCH + 6
    with database.write() as tx:
        corrections.correct(tx, "req_0_1", None, reason="wrong", idempotency_key="c", key_id="key")
        shares.pay_out(tx, "lab", 100_000, "USD", idempotency_key="p", key_id="key", note="=HYPERLINK(1)")
    return database


def test_each_closing_is_the_next_opening_and_the_last_is_what_is_owed(busy: Database) -> None:
    months = [state(busy, *period) for period in ((JANUARY, FEBRUARY), (FEBRUARY, MARCH), (MARCH, APRIL))]
    assert all(map(adds_up, months))
    assert [months[0].opening, *(month.closing for month in months)] == [
        0,
        *(month.opening for month in months[1:]),
        owed(busy)["lab"],
    ]
    whole = state(busy, 0, APRIL)
    assert (whole.opening, whole.closing) == (0, owed(busy)["lab"])
    assert whole.share == sum(month.share for month in months)
    with busy.read() as tx:
        payable = "SELECT -sum(amount) FROM ledger_entries WHERE account = 'owner_payable' AND party = 'lab'"
        cost = "SELECT sum(amount) FROM ledger_entries WHERE account = 'share_cost' AND party = 'lab'"
        assert tx.execute(text(payable)).scalar() == whole.closing
        assert tx.execute(text(cost)).scalar() == whole.closing + 100_000


def test_lines_are_by_model_and_version_of_the_rule(busy: Database) -> None:
    january, march = state(busy, JANUARY, FEBRUARY), state(busy, MARCH, APRIL)
    assert [(e.model, e.version, e.events, e.tokens, e.revenue, e.share) for e in january.earned] == [
        ("mine", 1, 1, 1_000_000, 150_000, 30_000),
        ("ship", 1, 5, 5_000_000, 750_000, 150_000),
    ]
    assert [(e.model, e.version, e.share) for e in march.earned] == [("mine", 2, 75_000), ("ship", 2, 375_000)]
    assert [(back.model, back.version, back.corrections, back.share) for back in march.taken_back] == [
        ("ship", 1, 1, -30_000)
    ]
    assert [(moved.amount, moved.note) for moved in march.movements] == [(-100_000, "=HYPERLINK(1)")]
    assert [(e.model, e.share) for e in state(busy, JANUARY, FEBRUARY, "other").earned] == [("mine", 1_500)]


def test_what_was_on_a_statement_stays_there_when_the_clock_is_set_back(
    busy: Database, meter: Meter, monkeypatch
) -> None:
    before = state(busy, JANUARY, FEBRUARY), state(busy, FEBRUARY, MARCH)
    monkeypatch.setattr("argosy.billing.ledger.store.now", lambda: JANUARY + 9)
    record(busy, meter.event("req_late", at=JANUARY + 8, prompt_tokens=1_000_000))
    assert (state(busy, JANUARY, FEBRUARY), state(busy, FEBRUARY, MARCH)) == before
    assert state(busy, 0, APRIL).closing == owed(busy)["lab"]


def test_the_sheet_adds_up_and_runs_nothing(busy: Database) -> None:
    agree(busy, replace(TERMS, model="+evil", owner="lab"))
    found = state(busy, MARCH, APRIL)
    found = replace(found, earned=(*found.earned, replace(found.earned[0], model="@SUM(1)", share=0)))
    rows = list(csv.DictReader(io.StringIO(shares.to_csv(found), newline="")))
    texts = [row[name] for row in rows for name in ("kind", "model", "rule", "id", "note")]
    assert {"'=HYPERLINK(1)", "'@SUM(1)"} <= {*texts}
    assert not [cell for cell in texts if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert sum(int(row["amount"]) for row in rows[:-1]) == int(rows[-1]["amount"]) == found.closing
    assert (rows[0]["kind"], rows[-1]["kind"]) == ("opening", "closing")


def test_a_page_in_both_languages_escapes_what_it_shows(busy: Database) -> None:
    found = replace(state(busy, MARCH, APRIL), owner_name="<b>Lab")
    english, chinese = shares.render_page(found), shares.render_page(found, "zh")
    assert "&lt;b&gt;Lab" in english
    assert "<b>" not in english
    assert "收入分成对账单" in chinese
    for shown in ("0.375000 USD", "-0.100000 USD"):
        assert shown in english
        assert shown in chinese


def test_a_bad_question_has_a_clear_answer(busy: Database) -> None:
    with pytest.raises(NotFound, match="Known are lab, other"):
        state(busy, JANUARY, FEBRUARY, "nobody")
    with pytest.raises(Invalid, match="begins before it ends"):
        state(busy, 5, 5)
    for month in ("2026-13", "March", "2026", "2026-1-1"):
        with pytest.raises(Invalid, match="2026-11"):
            shares.month_period(month)
    assert shares.month_period("2026-12")[1] == shares.month_period("2027-01")[0]
