"""What owners of models get: fixed with each posting, exact whoever posts in whatever batches. On both databases."""

from calendar import timegm
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count, pairwise

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from argosy import billing
from argosy.billing import UsageEvent, ledger, shares
from argosy.billing.rating import rate
from argosy.billing.shares import Rule, Terms, Tier, share_of
from argosy.billing.shares.rule import rule_for
from argosy.core import ArgosyError, Conflict, Invalid, NotFound
from argosy.runtime import Database

from .conftest import Meter

TERMS = Terms("ship", "lab", "The Lab", "USD", basis_points=2_000)


def agree(database: Database, terms: Terms = TERMS, at: int = 1, **more: object) -> Rule:
    with database.write() as tx:
        return shares.agree(tx, terms, key_id="key_admin", at=at, **more)  # type: ignore[arg-type]


def record(database: Database, *events: UsageEvent) -> None:
    with database.write() as tx:
        billing.record(tx, events)


def entries(database: Database, account: str) -> list[tuple[object, ...]]:
    with database.read() as tx:
        columns = "transaction_id, amount, model, quantity, party"
        rows = tx.execute(text(f"SELECT {columns} FROM ledger_entries WHERE account = '{account}' ORDER BY id"))
        return [tuple(row) for row in rows]


def owed(database: Database) -> dict[str, int]:
    with database.read() as tx:
        return {row.owner: int(row.payable) for row in shares.payables(tx)}


def books_are_sound(database: Database) -> None:
    with database.read() as tx:
        assert ledger.verify(tx).problems == []
        assert tx.execute(text("SELECT coalesce(sum(amount), 0) FROM ledger_entries")).scalar() == 0


def test_a_share_is_fixed_with_the_posting(database: Database, meter: Meter) -> None:
    rule = agree(database)
    event = meter.event("req_1", prompt_tokens=1_000_000)  # 150,000 micro-units
    record(database, event)
    record(database, event)
    assert entries(database, "share_cost") == [("req_1", 30_000, "ship", rule.id, "lab")]
    assert entries(database, "owner_payable") == [("req_1", -30_000, "ship", rule.id, "lab")]
    books_are_sound(database)


def test_without_rules_there_is_nothing(database: Database, meter: Meter) -> None:
    record(database, meter.event("req_1", prompt_tokens=1_000_000))
    assert entries(database, "owner_payable") == []


def test_an_adapter_pays_its_bases_owner_and_its_own(database: Database, meter: Meter) -> None:
    base, own = agree(database), agree(database, replace(TERMS, model="ft:ship:a:b:1", owner="tuner", basis_points=500))
    record(database, meter.event("req_1", prompt_tokens=1_000_000, model="ft:ship:a:b:1", base_model="ship"))
    assert entries(database, "owner_payable") == [
        ("req_1", -30_000, "ft:ship:a:b:1", base.id, "lab"),
        ("req_1", -7_500, "ft:ship:a:b:1", own.id, "tuner"),
    ]
    books_are_sound(database)


def test_the_version_that_held_when_the_work_began_counts(database: Database, meter: Meter) -> None:
    agree(database, replace(TERMS, effective_from=100))
    agree(database, replace(TERMS, effective_from=200, basis_points=5_000, effective_until=300))
    for second in (99, 100, 199, 200, 299, 300):
        event = meter.event(f"req_{second}", at=second, prompt_tokens=1_000_000)
        record(database, msgspec.structs.replace(event, started_us=second * 10**6))
    found = {name: -int(str(amount)) for name, amount, *_ in entries(database, "owner_payable")}
    assert found == {"req_100": 30_000, "req_199": 30_000, "req_200": 75_000, "req_299": 75_000}


def test_tiers_are_marginal_and_begin_anew_each_month(database: Database, meter: Meter) -> None:
    agree(database, replace(TERMS, tiers=(Tier(200_000, 4_000), Tier(400_000, 0))))
    january, february = timegm((2026, 1, 31, 23, 59, 59)), timegm((2026, 2, 1, 0, 0, 0))
    for n in range(4):  # 150,000 each
        record(database, meter.event(f"req_{n}", at=january, prompt_tokens=1_000_000))
    record(database, meter.event("req_next", at=february, prompt_tokens=1_000_000))
    assert [-int(str(line[1])) for line in entries(database, "owner_payable")] == [
        30_000,
        10_000 + 40_000,
        40_000,
        0,
        30_000,
    ]


PLAIN = Rule("share_1", 1, "ship", 1, "lab", "Lab", "USD", 2_000, 0, 0, (), 2, None, "", "key", 1)


@pytest.mark.parametrize(
    ("rule", "charged", "tokens", "before", "share"),
    [
        (PLAIN, 0, 10, 0, 0),
        (PLAIN, 4, 10, 0, 0),
        (PLAIN, 4, 10, 4, 1),  # what the first left over
        (replace(PLAIN, basis_points=10_000), 7, 1, 3, 7),
        (replace(PLAIN, per_million_tokens=500_000), 100, 3, 0, 20 + 2),
        (replace(PLAIN, basis_points=0, per_million_tokens=10**6), 0, 5, 0, 5),  # owed though nothing was charged
        (replace(PLAIN, minimum=50), 100, 3, 0, 50),
        (replace(PLAIN, minimum=50), 1_000, 3, 0, 200),
        (replace(PLAIN, minimum=50), 0, 0, 0, 0),  # nothing was used
        (replace(PLAIN, minimum=50, per_million_tokens=10**6), 100, 10, 0, 50),
    ],
)
def test_a_share_is_what_its_rule_says(rule: Rule, charged: int, tokens: int, before: int, share: int) -> None:
    assert share_of(charged, tokens, rule, before) == share


def test_a_later_version_holds_instead_of_all_earlier_ones() -> None:
    first, brief = replace(PLAIN, effective_from=1), replace(PLAIN, version=2, effective_from=5, effective_until=9)
    found = [rule_for([first, brief], second) for second in (0, 1, 4, 5, 8, 9)]
    assert [rule and rule.version for rule in found] == [None, 1, 1, 2, 2, None]


amounts = st.integers(0, 3_000)
rules = st.builds(
    lambda bp, tiers, per, least: replace(
        PLAIN, basis_points=bp, tiers=tuple(Tier(*tier) for tier in sorted(tiers.items())), per_million_tokens=per,
        minimum=least,
    ),
    st.integers(0, 10_000),
    st.dictionaries(st.integers(1, 20_000), st.integers(0, 10_000), max_size=4),
    st.one_of(st.just(0), st.integers(0, 10**7)),
    st.one_of(st.just(0), st.integers(0, 500)),
)  # fmt: skip


@given(rules, st.lists(st.tuples(amounts, amounts), max_size=30), st.randoms())
def test_the_order_does_not_matter_and_nothing_is_above_what_was_charged(rule, events, random) -> None:
    def total(order: list[tuple[int, int]]) -> int:
        month = paid = 0
        for charged, tokens in order:
            share = share_of(charged, tokens, rule, month)
            assert share >= (rule.minimum if tokens else 0)
            if not rule.per_million_tokens and not rule.minimum:
                assert share <= charged
            month, paid = month + charged, paid + share
        return paid

    shuffled = list(events)
    random.shuffle(shuffled)
    assert total(events) == total(shuffled)
    if not rule.per_million_tokens and not rule.minimum:
        assert total(events) == share_of(sum(charged for charged, _ in events), 0, rule, 0)


names = count()
MONTHS = [timegm((2026, month, day, 0, 0, 0)) for month in (1, 2, 3) for day in (1, 27)]
BASES = {"ship": "ship", "ft:ship:a:b:1": "ship", "other": "other"}
used = st.lists(
    st.tuples(st.sampled_from(MONTHS), st.integers(0, 400_000), st.sampled_from(sorted(BASES))),
    min_size=1,
    max_size=25,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules, used, st.lists(st.integers(0, 25), max_size=4))
def test_any_batches_come_to_the_same_and_the_books_are_sound(database: Database, meter, rule, events, cuts) -> None:
    def posted(batches: list[list[int]]) -> list[tuple[object, ...]]:
        """By an owner and under names of its own: what was posted before is another's."""
        mine = f"m{next(names)}"
        terms = replace(
            TERMS, model=f"{mine} ship", owner=mine, basis_points=rule.basis_points, tiers=rule.tiers,
            per_million_tokens=rule.per_million_tokens, minimum=rule.minimum,
        )  # fmt: skip
        agreed = agree(database, terms)
        for batch in batches:
            used = [(n, *events[n]) for n in batch]
            record(
                database,
                *(
                    meter.event(
                        f"{mine} {n}", at=at, prompt_tokens=tokens, model=f"{mine} {model}",
                        base_model=f"{mine} {BASES[model]}",
                    )
                    for n, at, tokens, model in used
                ),
            )  # fmt: skip
        with database.read() as tx:
            columns = "month, revenue, share, events"
            asked = f"SELECT {columns} FROM share_months WHERE rule_id = '{agreed.id}' ORDER BY month"
            months = tx.execute(text(asked)).all()
        assert owed(database).get(mine, 0) == sum(month.share for month in months)
        return [tuple(month) for month in months]

    everything = list(range(len(events)))
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    parts = [everything[start:end] for start, end in pairwise(edges)]
    assert posted([everything]) == posted(parts) == posted(parts[::-1])
    books_are_sound(database)


def test_two_who_post_at_once_share_exactly(database: Database, meter: Meter) -> None:
    agree(database, replace(TERMS, basis_points=3_333, tiers=(Tier(1_000_000, 1_111),)))

    def post(worker: int) -> int:
        charged = 0
        for n in range(10):
            batch = [meter.event(f"req_{worker}_{n}_{k}", prompt_tokens=77_777 * (k + 1)) for k in range(3)]
            with database.read() as tx:
                price = billing.current_prices(tx)["ship"]
            charged += sum(rate(event, price)[0].amount for event in batch)
            record(database, *batch)
            record(database, *batch)
        return charged

    with ThreadPoolExecutor(4) as pool:
        revenue = sum(pool.map(post, range(4)))
    with database.read() as tx:
        [month] = tx.execute(text("SELECT revenue, share, events FROM share_months")).all()
    assert (month.revenue, month.events) == (revenue, 120)
    assert month.share == owed(database)["lab"]
    assert month.share == (1_000_000 * 3_333 + (revenue - 1_000_000) * 1_111) // 10_000
    books_are_sound(database)


def test_what_credits_or_a_discount_covered_counts_as_charged(database: Database, meter: Meter) -> None:
    agree(database)
    record(database, meter.event("req_1", prompt_tokens=1_000_000, discount=50))
    assert owed(database) == {"lab": 15_000}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"basis_points": 10_001}, "basis_points"),
        ({"basis_points": -1}, "basis_points"),
        ({"per_million_tokens": -1}, "per_million_tokens"),
        ({"minimum": -5}, "minimum"),
        ({"minimum": 10**16}, "minimum"),
        ({"owner": "The Lab"}, "owner"),
        ({"owner": ""}, "owner"),
        ({"owner_name": "a\nb"}, "owner_name"),
        ({"owner_name": " "}, "owner_name"),
        ({"currency": "usd"}, "currency"),
        ({"currency": "CNY"}, "currency"),
        ({"tiers": (Tier(5, 1), Tier(5, 2))}, "tiers"),
        ({"tiers": (Tier(9, 1), Tier(5, 2))}, "tiers"),
        ({"tiers": (Tier(0, 1),)}, "tiers"),
        ({"tiers": (Tier(5, 10_001),)}, "tiers"),
        ({"tiers": tuple(Tier(n, 1) for n in range(1, 30))}, "tiers"),
        ({"effective_from": 50}, "effective_from"),
        ({"effective_from": 200, "effective_until": 200}, "effective_until"),
    ],
)
def test_terms_that_make_no_sense_are_refused(database: Database, meter: Meter, changes, param: str) -> None:
    with pytest.raises(Invalid) as refused:
        agree(database, replace(TERMS, **changes), at=100)
    assert refused.value.param == param


def test_the_same_terms_are_no_new_version_and_overlapping_ones_are_refused(database: Database, meter: Meter) -> None:
    first = agree(database, replace(TERMS, effective_from=1_000, effective_until=2_000), at=5)
    assert agree(database, replace(TERMS, effective_from=1_000, effective_until=2_000), at=6) == first
    for begin in (500, 1_000, 1_999):
        with pytest.raises(Conflict, match="overlaps"):
            agree(database, replace(TERMS, effective_from=begin, basis_points=1), at=5)
    assert agree(database, replace(TERMS, effective_from=2_000, basis_points=1), at=5).version == 2
    assert agree(database, replace(TERMS, effective_from=500, basis_points=2), at=5, supersede=True).version == 3


def test_two_who_agree_at_once_make_two_versions_or_one(database: Database, meter: Meter) -> None:
    def one(points: int) -> str:
        try:
            return agree(database, replace(TERMS, basis_points=points), at=points).id
        except ArgosyError as error:
            return error.code

    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(one, range(1, 7)))
    kept = [name for name in made if name.startswith("share_") and name != "share_rules_overlap"]
    assert sorted(kept) == [f"share_{n}" for n in range(1, len(kept) + 1)]
    assert {*made} - {*kept} <= {"share_rules_overlap"}


def test_an_adapter_and_its_base_never_share_more_than_all(database: Database, meter: Meter) -> None:
    agree(database, replace(TERMS, basis_points=0, tiers=(Tier(5, 6_000),)))
    own = replace(TERMS, model="ft:ship:a:b:1", owner="tuner")
    with pytest.raises(Conflict, match="100 at most"):
        agree(database, replace(own, basis_points=4_001), kin=["ship"])
    agree(database, replace(own, basis_points=4_000), kin=["ship"])
    with pytest.raises(Conflict, match="ft:ship:a:b:1"):
        agree(database, replace(TERMS, basis_points=6_001), at=9, kin=["ft:ship:a:b:1"])


def test_a_payout_is_never_above_what_is_owed_and_happens_once(database: Database, meter: Meter) -> None:
    agree(database)
    record(database, meter.event("req_1", prompt_tokens=1_000_000))

    def pay(amount: int, key: str, owner: str = "lab") -> str:
        with database.write() as tx:
            return shares.pay_out(tx, owner, amount, "USD", idempotency_key=key, key_id="key").id

    first = pay(20_000, "a")
    assert pay(20_000, "a") == first
    for amount, key, owner, error in [
        (19_999, "a", "lab", Conflict), (10_001, "b", "lab", Conflict), (0, "c", "lab", Invalid),
        (1, "d", "nobody", NotFound),
    ]:  # fmt: skip
        with pytest.raises(error):
            pay(amount, key, owner)

    def try_to(n: int) -> int:
        try:
            pay(6_000, f"at once {n}")
        except Conflict:
            return 0
        return 1

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(try_to, range(4))) == 1
    assert owed(database) == {"lab": 4_000}
    books_are_sound(database)
