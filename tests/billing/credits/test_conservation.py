"""Any series of top-ups, grants, spending and expiry conserves: nothing appears, vanishes or turns negative."""

import random
import secrets
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fresh import fresh_database

from argosy.billing.credits import CreditSweeper
from argosy.core import now
from argosy.runtime import Database

from .conftest import Shop, open_shop

SCOPES = ("organization", "project", "model")
amount = st.integers(1, 60)
scope = st.sampled_from(SCOPES)
step = st.one_of(
    st.tuples(st.just("top_up"), scope, amount, st.none()),
    st.tuples(st.just("grant"), scope, amount, st.one_of(st.none(), st.integers(1, 9))),
    st.tuples(st.just("spend"), scope, st.lists(st.integers(0, 60), min_size=1, max_size=5), st.none()),
    st.tuples(st.just("hold"), scope, st.integers(0, 40), st.none()),
    st.tuples(st.just("sweep"), scope, st.integers(0, 10), st.none()),
)


class Model:
    """The same, told without a database."""

    def __init__(self) -> None:
        self.credits: list[list[int]] = []  # place in the order: gift, expires, number; then what is left

    def add(self, gift: bool, expires: int | None, amount: int) -> None:
        self.credits.append([not gift, expires is None, expires or 0, len(self.credits), amount, 0])

    def spend(self, amount: int) -> None:
        for one in sorted(self.credits):
            part = min(amount, one[4])
            one[4] -= part
            one[5] += part
            amount -= part

    def spent(self) -> list[int]:
        return [one[5] for one in self.credits]


def run(shop: Shop, steps: list[tuple[str, str, object, int | None]]) -> None:
    base = now() + 10_000
    funds = {name: shop.add("grant", 1, scope=name).fund_id for name in SCOPES}
    models = {name: Model() for name in SCOPES}
    for model in models.values():
        model.add(True, None, 1)
    count = 0
    for what, where, value, expires in steps:
        fund, model = funds[where], models[where]
        if what == "top_up":
            shop.add("top_up", value, scope=where)  # type: ignore[arg-type]
            model.add(False, None, value)  # type: ignore[arg-type]
        elif what == "grant":
            shop.add("grant", value, scope=where, expires_at=expires and base + expires)  # type: ignore[arg-type]
            model.add(True, expires, value)  # type: ignore[arg-type]
        elif what == "spend":
            events = []
            for one in value:  # type: ignore[attr-defined]
                count += 1
                events.append(shop.event(f"req_{count:04}", one, fund))
                model.spend(one)
            shop.spend(*events)
        elif what == "hold":
            shop.hold(fund, value)  # type: ignore[arg-type]
        else:
            CreditSweeper(shop.database).sweep(base + value)  # type: ignore[operator]
            for name in SCOPES:  # what is swept depends on holds: the model takes it over, and goes on from there
                kept = [one.remaining for one in shop.credits() if one.scope == name]
                for line, remaining in zip(models[name].credits, kept, strict=True):
                    assert remaining <= line[4]
                    line[4] = remaining
        shop.check()
    found = shop.credits()
    for name in SCOPES:
        assert [one.spent for one in found if one.scope == name] == models[name].spent()
    assert sum(one.spent for one in found) + shop.balances().get("receivable", 0) == -shop.balances().get("revenue", 0)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(step, max_size=12))
def test_any_series_conserves(tmp_path: Path, steps: list[tuple[str, str, object, int | None]]) -> None:
    database = fresh_database(tmp_path / f"{secrets.token_hex(8)}.sqlite")
    run(open_shop(database), steps)
    database.close()


@pytest.mark.parametrize("seed", range(3))
def test_a_long_series_conserves_on_both_databases(database: Database, seed: int) -> None:
    chance = random.Random(seed)
    steps: list[tuple[str, str, object, int | None]] = []
    for _ in range(40):
        what = chance.choice(("top_up", "grant", "spend", "spend", "hold", "sweep"))
        value: object = chance.randint(1, 60)
        if what == "spend":
            value = [chance.randint(0, 60) for _ in range(5)]
        elif what == "sweep":
            value = chance.randint(0, 10)
        steps.append((what, chance.choice(SCOPES), value, chance.choice((None, 1, 5, 9)) if what == "grant" else None))
    run(open_shop(database), steps)
