"""Tax, rounding, payments, credit notes: whatever is settled in whatever parts, nothing is lost and nothing twice."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argosy.billing import invoices, ledger
from argosy.billing.invoices import CreditedLine, CreditNote, Invoice, Payment
from argosy.billing.invoices.dues import due_of
from argosy.billing.invoices.settlement.standing import spread
from argosy.core import Conflict, Invalid, NotFound, format_due, minor_unit, round_to_minor

from .conftest import Office

SLOW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def credit(
    office: Office,
    invoice: Invoice,
    amount: int | None = None,
    *lines: tuple[int, int],
    key: str | None = None,
    project: str = "proj_a",
) -> CreditNote:
    taken = [CreditedLine(*line) for line in lines]
    with office.database.write() as tx:
        return invoices.credit(tx, project, invoice.id, "wrong", amount=amount, lines=taken, idempotency_key=key)


def pay(office: Office, invoice: Invoice, amount: int, reference: str, project: str = "proj_a") -> Payment:
    with office.database.write() as tx:
        return invoices.pay(tx, project, invoice.id, amount, reference)


def standing(office: Office, invoice: Invoice) -> invoices.Standing:
    with office.database.read() as tx:
        return invoices.standing_of(tx, invoice)


@given(st.integers(0, 10**15), st.integers(0, 10_000), st.sampled_from(["USD", "CNY", "JPY", "KWD"]))
def test_tax_is_rounded_to_a_millionth_and_what_is_due_to_a_coin(subtotal: int, rate: int, currency: str) -> None:
    due = due_of(subtotal, rate, currency)
    assert due.subtotal + due.tax + due.rounding == due.due
    assert -10_000 <= 2 * (subtotal * rate - due.tax * 10_000) < 10_000
    assert due.due % minor_unit(currency) == 0
    assert -minor_unit(currency) < 2 * due.rounding <= minor_unit(currency), "half a coin is rounded up"


def test_amounts_are_written_with_their_currencys_digits() -> None:
    assert [round_to_minor(amount, "USD") for amount in (4_999, 5_000, 14_999)] == [0, 10_000, 10_000]
    written = [format_due(1_230_000, "USD"), format_due(-2_000_000, "JPY"), format_due(1_234_000, "KWD")]
    assert written == ["1.23 USD", "-2 JPY", "1.234 KWD"]
    with pytest.raises(ValueError, match="negative"):
        due_of(-1, 0, "USD")


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**12), max_size=9))
def test_what_is_spread_adds_up(amount: int, over: list[int]) -> None:
    amount = min(amount, sum(over))
    parts = spread(amount, over)
    assert sum(parts) == amount
    assert all(0 <= part <= own for part, own in zip(parts, over, strict=True))


@pytest.fixture
def invoice(office: Office) -> Invoice:
    """11.90 USD: 7.5 and 2.5 and 19 % on them, on two lines."""
    office.profile(tax_rate=1_900, tax_name="VAT")
    office.use("req_1", 100, prompt_tokens=50_000_000)
    office.use("req_2", 110, prompt_tokens=0, training_tokens=833_333, project="proj_b")
    made = office.close(0, 200)
    assert (made.subtotal, made.tax, made.rounding, made.due) == (9_999_999, 1_900_000, 1, 11_900_000)
    return made


def test_payments_with_one_reference_are_one(office: Office, invoice: Invoice) -> None:
    first = pay(office, invoice, 5_000_000, "bank 1")
    assert pay(office, invoice, 5_000_000, "bank 1") == first
    with pytest.raises(Conflict) as taken:
        pay(office, invoice, 5_000_001, "bank 1")
    assert taken.value.code == "reference_taken"
    with pytest.raises(Conflict, match=r"6\.900000 USD is left"):
        pay(office, invoice, 6_900_001, "bank 2")
    with pytest.raises(Invalid):
        pay(office, invoice, 0, "bank 3")
    assert standing(office, invoice).status == "partly_paid"
    pay(office, invoice, 6_900_000, "bank 2")
    assert (standing(office, invoice).status, standing(office, invoice).left) == ("paid", 0)
    assert (office.balance("cash"), office.balance("invoiced")) == (11_900_000, 0)
    office.books_agree()


def test_a_credit_note_takes_back_lines_with_their_tax(office: Office, invoice: Invoice) -> None:
    note = credit(office, invoice, None, (0, 7_500_000))
    assert (note.number, note.net, note.tax, note.amount) == (1, 7_500_000, 1_425_000, 8_930_000)
    assert note.net + note.tax + note.rounding == note.amount
    with pytest.raises(Conflict, match="Of line 0"):
        credit(office, invoice, None, (0, 1))
    rest = credit(office, invoice, None, (1, 2_499_999))
    assert (rest.tax, rest.amount, rest.rounding + note.rounding) == (475_000, 2_970_000, invoice.rounding)
    for account in ("invoiced", "tax", "rounding", "receivable"):
        assert office.balance(account) == 0
    assert office.balance("correction") == invoice.subtotal
    office.books_agree()


def test_no_more_is_taken_back_than_is_left(office: Office, invoice: Invoice) -> None:
    pay(office, invoice, 10_000_000, "bank 1")
    with pytest.raises(Conflict) as refused:
        credit(office, invoice, 1_910_000)
    assert refused.value.code == "above_what_is_left"
    credit(office, invoice, 1_900_000)
    assert standing(office, invoice).left == 0
    with pytest.raises(Conflict):
        pay(office, invoice, 1, "bank 2")
    office.books_agree()


@pytest.mark.parametrize(
    ("amount", "lines", "code"),
    [
        (None, [], "invalid_credit_note"),
        (10_000, [(0, 1)], "invalid_credit_note"),
        (15_000, [], "invalid_amount"),
        (-10_000, [], "invalid_amount"),
        (None, [(2, 1)], "no_such_line"),
        (None, [(-1, 1)], "no_such_line"),
        (None, [(0, -5)], "invalid_amount"),
        (None, [(0, 1)], "invalid_amount"),
    ],
)
def test_what_is_no_credit_note_is_refused(
    office: Office, invoice: Invoice, amount: int | None, lines: list[tuple[int, int]], code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        credit(office, invoice, amount, *lines)
    assert refused.value.code == code
    assert standing(office, invoice).credited == 0


def test_asking_twice_with_one_key_makes_one_credit_note(office: Office, invoice: Invoice) -> None:
    first = credit(office, invoice, 10_000, key="once")
    assert credit(office, invoice, 10_000, key="once") == first
    with pytest.raises(Conflict, match=first.id):
        credit(office, invoice, 20_000, key="once")
    assert standing(office, invoice).credited == 10_000


def test_strangers_can_neither_pay_nor_take_back(office: Office, invoice: Invoice) -> None:
    with pytest.raises(NotFound):
        pay(office, invoice, 10_000, "bank", project="proj_theirs")
    with pytest.raises(NotFound):
        credit(office, invoice, 10_000, project="proj_theirs")


def test_an_invoice_its_payments_and_its_notes_are_not_corrected(office: Office, invoice: Invoice) -> None:
    paid, note = pay(office, invoice, 10_000, "bank"), credit(office, invoice, 10_000)
    for transaction in (invoice.id, paid.id, note.id):
        with pytest.raises(Conflict, match="credit notes"):
            office.give_back(transaction)


def test_what_credits_paid_or_corrections_gave_back_is_not_taken_back_again(office: Office) -> None:
    fund = office.fund("grant", 3_000_000)
    office.record([office.meter.event("req_1", at=100, prompt_tokens=50_000_000, fund=fund)])
    office.use("req_2", 110, prompt_tokens=20_000_000, project="proj_b")
    office.give_back("req_2", 2_000_000)
    made = office.close(0, 200)
    assert (made.total, made.covered_credits, made.due) == (8_500_000, 3_000_000, 5_500_000)
    assert standing(office, made).uncredited_lines() == [4_500_000, 1_000_000, 0]
    note = credit(office, made, 5_500_000)
    assert [(line.position, line.amount) for line in note.lines] == [(0, 4_500_000), (1, 1_000_000)]
    office.books_agree()


@SLOW
@given(
    st.lists(st.integers(0, 10**8), min_size=1, max_size=5),
    st.integers(0, 10_000),
    st.lists(st.tuples(st.sampled_from(["pay", "amount", "line"]), st.integers(1, 10**9)), max_size=8),
)
def test_whatever_is_settled_in_whatever_parts_adds_up(
    office: Office, used: list[int], rate: int, steps: list[tuple[str, int]]
) -> None:
    office.profile(tax_rate=rate)
    at = max((one.period_end for one in office.all_invoices()), default=0)
    for n, tokens in enumerate([*used, 10**6]):
        office.use(f"req_{at}_{n}", at, model=f"m{n % 3}", prompt_tokens=tokens)
    made = office.close(None, at + 1)
    for n, (step, amount) in enumerate(steps):
        left = standing(office, made)
        try:
            if step == "pay":
                pay(office, made, 1 + amount % max(1, left.left), f"{made.id} {n}")
            elif step == "amount":
                credit(office, made, amount % max(1, left.left // 10_000 + 1) * 10_000)
            else:
                line = amount % len(made.lines)
                credit(office, made, None, (line, 1 + amount % max(1, left.uncredited_lines()[line])))
        except (Invalid, Conflict):
            continue
    end = standing(office, made)
    assert end.left >= 0
    assert min(end.uncredited_lines()) >= 0
    for note in end.notes:
        assert sum(line.amount for line in note.lines) == note.net
        assert note.net + note.tax + note.rounding == note.amount
        assert note.amount % 10_000 == 0
        assert min(note.net, note.tax) >= 0
    if not end.payments and end.left:
        credit(office, made, end.left)
        end = standing(office, made)
        assert sum(end.uncredited_lines()) == 0
        assert sum(note.tax for note in end.notes) == made.tax
        assert sum(note.rounding for note in end.notes) == made.rounding
    office.books_agree()
    with office.database.read() as tx:
        assert ledger.verify(tx).problems == []
