"""A price file carried out: all of it in one transaction, or nothing. Once more, it changes nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from argosy.billing.prices import store
from argosy.billing.prices.price import Price, in_force
from argosy.billing.prices.reading import Row, refusal
from argosy.core import Conflict, Invalid
from argosy.runtime import Transaction


@dataclass(frozen=True, slots=True)
class Step:
    """What a row of the file does."""

    row: Row
    action: Literal["new", "changed", "unchanged"]
    old: Price | None
    """What would hold from then on without it."""
    id: str
    """Of the version that says it; a new one's is gone if the transaction is rolled back."""


def import_prices(tx: Transaction, rows: Sequence[Row], currency: str | None = None) -> list[Step]:
    """Make the rows' prices, those to come too. Roll the transaction back, and what is returned was only a plan.

    Where a model has prices in several currencies, the one of the books is taken; ``currency`` says which that is to be
    on a platform that has no prices yet. Raises Invalid with all mistakes by line.
    """
    steps: list[Step] = []
    mistakes: list[str] = []
    for row in sorted(_in_one_currency(tx, rows, currency), key=lambda row: row.effective_from or 0):
        try:
            steps.append(_carry_out(tx, row))
        except (Invalid, Conflict) as error:
            mistakes.append(f"line {row.line}: {error.message}")
    if mistakes:
        raise refusal(mistakes)
    return sorted(steps, key=lambda step: step.row.line)


def _in_one_currency(tx: Transaction, rows: Sequence[Row], wanted: str | None) -> Iterable[Row]:
    books = store.books_currency(tx)
    found = sorted({row.terms.currency for row in rows})
    if wanted and books and wanted != books:
        raise Invalid(
            f"This platform's books are in {books} and stay in it; prices in {wanted} cannot be taken.",
            code="currency_mismatch",
            param="currency",
        )
    chosen = books or wanted or (found[0] if len(found) == 1 else None)
    if chosen is None:
        raise Invalid(
            f"The file has prices in {', '.join(found)}, and this platform has none yet. Say in which one it is to "
            "keep its books with 'currency': it stays in that.",
            code="currency_open",
            param="currency",
        )
    taken = [row for row in rows if row.terms.currency == chosen]
    there = {(row.provider, row.model) for row in taken}
    if left_out := [row for row in rows if (row.provider, row.model) not in there]:
        raise refusal(
            [
                f"line {row.line}: '{row.model}' has a price in {row.terms.currency} and none in {chosen}, the "
                "currency of the books"
                for row in left_out
            ]
        )
    return taken


def _carry_out(tx: Transaction, row: Row) -> Step:
    versions = store.versions_of(tx, row.model, row.provider)
    if row.provider:
        id_ = store.ensure_cost(tx, row.provider, row.model, row.terms, row.effective_from)
    else:
        id_ = store.ensure_price(tx, row.model, row.terms, row.effective_from)
    if any(price.id == id_ for price in versions):
        return Step(row, "unchanged", next(price for price in versions if price.id == id_), id_)
    at = store.price_time() if row.effective_from is None else row.effective_from
    old = next(iter(in_force(versions, at).values()), None)
    return Step(row, "changed" if old else "new", old, id_)
