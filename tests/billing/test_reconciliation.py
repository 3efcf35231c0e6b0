"""The books held against each other: whoever changes one of them shows, with the row and what may have caused it."""

import json
import random
from dataclasses import replace

import pytest
from msgspec import structs
from sqlalchemy import text

from argosy import billing
from argosy.billing.reconciliation import (
    EngineCount,
    EngineHour,
    Reconciled,
    Reconciliation,
    compare,
    engine_hours,
    import_provider_invoice,
    note_engine_counts,
    provider_days,
    publish,
    published,
    sum_of_differences,
)
from argosy.core import Invalid, now
from argosy.runtime import Database, Transaction

from .conftest import Card, Meter

HEAD = "date,model,input_tokens,output_tokens,amount,currency\n"
LINE = "2026-11-26,ship,100,20,0.123456,USD\n"
DAY = 1_795_651_200
"""2026-11-26."""


def reconcile(tx: Transaction, since: int, until: int) -> list[Reconciled]:
    """As `billing.reconciliation.reconcile` does it, in one transaction, so that tampering is never committed."""
    found = compare(tx, since, until)
    publish(tx, since, until, found)
    return found


@pytest.fixture
def used(database: Database, meter: Meter) -> Database:
    """Some hundred rows of two projects, two models and three hours."""
    chance = random.Random(3)
    with database.write() as tx:
        events = [
            meter.event(
                f"req_{n:04d}",
                project=chance.choice(["proj_a", "proj_b"]),
                model=chance.choice(["ship", "boat"]),
                at=chance.uniform(0, 3 * 3_600 - 1),
                prompt_tokens=chance.randrange(5_000),
                cached_tokens=chance.randrange(3_000),
                completion_tokens=chance.randrange(900),
                discount=chance.choice([0, 0, 50]),
            )
            for n in range(1_200)
        ]
        billing.record(tx, events)
    return database


def test_what_else_is_counted_agrees_too_and_shows_when_it_is_changed(database: Database, meter: Meter) -> None:
    with database.write() as tx:
        terms = billing.Terms("USD", 150_000, 75_000, 600_000, measured={"engine_seconds": 7_000_000})
        price = billing.ensure_price(tx, "tug", terms)
        event = meter.event("eng_1", model="tug", at=10, prompt_tokens=0)
        event = structs.replace(event, price_version=price, measured="engine_seconds", measured_units=300)
        billing.record(tx, [event])
        assert [(one.usage_amount, one.difference) for one in reconcile(tx, 0, 3_600)] == [(2_100, 0)]
        tx.execute(text("UPDATE usage_events SET measured_units = 301 WHERE id = 'eng_1'"))
        assert {one.difference for one in reconcile(tx, 0, 3_600)} == {7}


def test_books_that_nobody_touched_agree_to_the_micro_unit(used: Database) -> None:
    with used.write() as tx:
        found = reconcile(tx, 0, 3 * 3_600)
        assert [(one.hour, one.model) for one in found] == [(h * 3_600, m) for h in range(3) for m in ("boat", "ship")]
        assert sum(one.events for one in found) == 1_200
        assert {one.difference for one in found} == {0}
        assert all(one.usage_amount == one.ledger_amount == one.rated_amount > 0 for one in found)
        assert published(tx, 0) == found
        assert reconcile(tx, 0, 3 * 3_600) == published(tx, 0) == found
        assert published(tx, 3_600) == found[2:]
        assert sum_of_differences(tx, 0) == 0
        assert sum_of_differences(tx, 9_999_999) is None


@pytest.mark.parametrize(
    ("tampering", "difference", "cause"),
    [
        ("UPDATE ledger_entries SET amount = amount - 7 WHERE transaction_id = 'req_0007' AND quantity = 'output'", 7,
         "one of them was changed"),
        ("UPDATE usage_events SET output_amount = output_amount + 3 WHERE id = 'req_0007'", 6, "not its units"),
        ("UPDATE usage_events SET completion_tokens = 0 WHERE id = 'req_0007'", None, "not its units"),
        ("DELETE FROM ledger_entries WHERE transaction_id = 'req_0007'", None, "no ledger entries"),
    ],
)  # fmt: skip
def test_whatever_is_changed_afterwards_shows(
    used: Database, tampering: str, difference: int | None, cause: str
) -> None:
    with used.write() as tx:
        tx.execute(text(tampering))
        found = [one for one in reconcile(tx, 0, 3 * 3_600) if one.difference]
        assert [one.rows for one in found] == [["req_0007"]]
        assert any(cause in one for one in found[0].causes)
        assert found[0].difference == sum_of_differences(tx, 0)
        assert difference in (None, found[0].difference)


def test_two_errors_do_not_hide_each_other(used: Database) -> None:
    with used.write() as tx:
        for id_, by in (("req_0001", 5), ("req_0002", -5)):
            changed = (
                "UPDATE ledger_entries SET amount = amount + :by WHERE transaction_id = :id AND quantity = 'input'"
            )
            tx.execute(text(changed), {"id": id_, "by": by})
        assert sum(one.difference for one in reconcile(tx, 0, 3 * 3_600)) == 10


def test_a_price_that_was_changed_shows_in_every_row_that_names_it(used: Database) -> None:
    with used.write() as tx:
        tx.execute(text("UPDATE price_versions SET output = output + 1000000"))
        found = reconcile(tx, 0, 3 * 3_600)
        assert all(one.difference and len(one.rows) == 20 for one in found)


def test_each_start_of_an_engine_counts_from_zero(database: Database) -> None:
    with database.write() as tx:
        for at, replica, prompt, completion in [
            (10, "rep_1", 100, 10), (3_599, "rep_1", 150, 20), (3_700, "rep_1", 170, 25), (3_800, "rep_2", 30, 3),
            (8_000, "rep_2", 31, 3),
        ]:  # fmt: skip
            note_engine_counts(tx, [EngineCount(replica, "ship", prompt, completion)], at)
        assert engine_hours(tx, 0) == [
            EngineHour(0, "ship", 150, 20), EngineHour(3_600, "ship", 50, 8), EngineHour(7_200, "ship", 1, 0),
        ]  # fmt: skip
        assert engine_hours(tx, 3_600) == engine_hours(tx, 0)[1:]


def test_a_providers_invoice_is_held_against_what_it_answered(database: Database, meter: Meter) -> None:
    with database.write() as tx:
        fields = {"target": "acme", "prompt_tokens": 90, "completion_tokens": 20}
        billing.record(
            tx, [meter.event("req_1", at=DAY + 5, **fields), meter.event("req_2", at=DAY + 90_000, **fields)]
        )
        made = import_provider_invoice(tx, "acme", (HEAD + LINE).encode())
        assert (made.new, made.total, made.line_count, made.currency) == (True, 123_456, 1, "USD")
        again = import_provider_invoice(tx, "acme", (HEAD + LINE).encode())
        assert again == replace(made, new=False)
        (day,) = provider_days(tx, DAY)
        assert (day.invoiced_prompt_tokens, day.prompt_tokens, day.completion_tokens) == (100, 90, 20)
        assert (day.invoiced_amount, day.expected_amount, day.difference) == (123_456, 0, 123_456)
        assert "counted more tokens" in day.causes[0]
        assert provider_days(tx, DAY + 86_400) == []


def test_columns_may_have_other_names_and_a_byte_order_mark(database: Database) -> None:
    file = "Currency,Tag,Day,Cost,In,Out,Name\nUSD,x,2026-11-26,0.0000005,1,2,m\n\n"
    names = {"date": "Day", "model": "Name", "input_tokens": "In", "output_tokens": "Out", "amount": "Cost"}
    with database.write() as tx:
        made = import_provider_invoice(tx, "acme", file.encode("utf-8-sig"), names | {"currency": "Currency"})
        assert made.total == 1, "half a micro-unit is rounded up"


@pytest.mark.parametrize(
    ("file", "told"),
    [
        (b"", "line 1: the column 'date'"),
        (HEAD, "no lines"),
        (HEAD + LINE + LINE, "line 3: the same as line 2"),
        (HEAD + LINE.replace("0.123456", "-1"), "line 2: '-1' is no amount"),
        (HEAD + LINE.replace("0.123456", "1e5"), "line 2: '1e5' is no amount"),
        (HEAD + LINE.replace("0.123456", "NaN"), "line 2: 'NaN'"),
        (HEAD + LINE.replace("0.123456", "٣"), "line 2: '٣'"),
        (HEAD + LINE.replace("100", "-3"), "line 2: '-3' is no number of tokens"),
        (HEAD + LINE.replace("100", "9" * 40), "line 2: '999"),
        (HEAD + LINE.replace("ship", "=HYPERLINK(1)"), "line 2: '=HYPERLINK(1)' is no model's name"),
        (HEAD + LINE.replace("ship", "@SUM(A1)"), "line 2: '@SUM"),
        (HEAD + LINE.replace("USD", "EUR"), "line 2: it is in EUR, and the books"),
        (HEAD + LINE.replace("USD", "usd"), "line 2: 'usd' is no currency"),
        (HEAD + LINE.replace("2026-11-26", "26.11.2026"), "line 2: '26.11.2026' is no date"),
        (HEAD + LINE + "1,2\n", "line 3: it has 2 cells"),
        ((HEAD + LINE).encode() + b"2026-11-26,caf\xe9,1,1,1,USD\n", "line 3: it is not UTF-8"),
        ((HEAD + LINE).encode("utf-16"), "line 1: it is not UTF-8"),
        (HEAD + LINE + "\0", "line 3: it has a NUL"),
        (HEAD + '"never closed', "line 2: "),
        (HEAD + "x" * 200_000 + "\n", "line 2: field larger"),
        (b"x" * (5 << 20), "at most are read"),
        (HEAD.replace("amount", "date") + LINE, "the column 'date' must be there once"),
    ],
)  # fmt: skip
def test_a_hostile_file_is_refused_with_its_lines(database: Database, card: Card, file: str | bytes, told: str) -> None:
    with database.write() as tx:
        billing.ensure_price(tx, "ship", card)
        data = file.encode() if isinstance(file, str) else file
        with pytest.raises(Invalid) as refused:
            import_provider_invoice(tx, "acme", data)
        assert told in refused.value.message
        assert provider_days(tx, 0) == []


def test_all_bad_lines_are_told_up_to_twenty(database: Database) -> None:
    bad = "".join(LINE.replace("0.123456", f"-{n}") for n in range(1, 60))
    with database.write() as tx, pytest.raises(Invalid) as refused:
        import_provider_invoice(tx, "acme", (HEAD + bad).encode())
    assert refused.value.message.count("line ") == 20


def test_a_second_currency_in_a_file_is_refused_where_there_are_no_books_yet(database: Database) -> None:
    with database.write() as tx, pytest.raises(Invalid, match="line 3: it is in EUR"):
        import_provider_invoice(tx, "acme", (HEAD + LINE + LINE.replace("USD", "EUR")).encode())


def test_what_was_found_is_kept_as_it_was(used: Database) -> None:
    with used.write() as tx:
        tx.execute(text("DELETE FROM ledger_entries WHERE transaction_id IN ('req_0001', 'req_0002')"))
        reconcile(tx, 0, 3 * 3_600)
        rows = tx.execute(text("SELECT rows, causes FROM reconciliations WHERE difference > 0")).all()
    assert sorted(one for row in rows for one in json.loads(row[0])) == ["req_0001", "req_0002"]


def test_the_chore_compares_and_asks_the_engines(database: Database, meter: Meter) -> None:
    with database.write() as tx:
        billing.record(tx, [meter.event("req_1", at=now(), prompt_tokens=1_000)])
    chore = Reconciliation(database, lambda: [EngineCount("rep_1", "ship", 1_000, 0)])
    chore.sample()
    assert chore.compare() == 0
    with database.write() as tx:
        assert [one.events for one in published(tx, now() - 3_600)] == [1]
        assert [one.prompt_tokens for one in engine_hours(tx, now() - 3_600)] == [1_000]
        tx.execute(text("UPDATE ledger_entries SET amount = amount - 2 WHERE quantity = 'input'"))
    assert chore.compare() == 2
