"""Cost figures, forecast and anomalies: they add up to the ledger, and say so where there is nothing to say."""

import json
from datetime import UTC, date, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from argosy import billing
from argosy.billing.insight import anomaly, forecast, insight
from argosy.billing.reports import Question, report
from argosy.runtime import Database

from .conftest import Meter

DAY = 86_400
MONDAY = date(2026, 11, 2)
NOW = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp())


def tags(**said: str) -> str:
    return json.dumps(said)


class TestForecast:
    """Pure: days in, a month out."""

    def test_a_week_is_the_least_it_takes(self) -> None:
        spent = {MONDAY + timedelta(days=n): 100 for n in range(6)}
        told = forecast(spent, MONDAY + timedelta(days=6))
        assert (told.enough, told.spent, told.days) == (False, 600, 6)
        told = forecast(spent, MONDAY + timedelta(days=7))
        assert told.enough, "a day without usage is a day"
        assert forecast({}, MONDAY) == forecast({MONDAY: 0}, MONDAY)

    def test_days_that_are_all_alike_have_no_interval(self) -> None:
        spent = {date(2026, 11, 1) + timedelta(days=n): 1_000 for n in range(20)}
        told = forecast(spent, date(2026, 11, 20))  # of which nothing is missing
        assert (told.low, told.expected, told.high) == (30_000, 30_000, 30_000)

    def test_weekends_are_weekends(self) -> None:
        first = date(2026, 9, 28)
        spent = {
            day: 7_000 if day.weekday() < 5 else 0 for n in range(45) if (day := first + timedelta(days=n)).day or True
        }
        today = max(spent)
        told = forecast(spent, today)
        work = sum(1 for n in range(1, 31) if date(2026, 11, n).weekday() < 5)
        assert abs(told.expected - work * 7_000) < 0.12 * work * 7_000
        assert told.low <= told.expected <= told.high

    def test_it_never_expects_less_than_was_spent(self) -> None:
        spent = {date(2026, 11, 1) + timedelta(days=n): 10 for n in range(19)} | {date(2026, 11, 20): 10**9}
        told = forecast(spent, date(2026, 11, 20))
        assert told.expected >= told.spent == 10**9 + 190
        assert told.low >= told.spent

    @given(st.lists(st.integers(0, 10**15), min_size=1, max_size=70), st.integers(0, 40))
    def test_any_days_make_an_orderly_forecast(self, amounts: list[int], gap: int) -> None:
        first = date(2026, 9, 1)
        spent = {first + timedelta(days=n): amount for n, amount in enumerate(amounts)}
        told = forecast(spent, max(spent) + timedelta(days=gap))
        if told.enough:
            assert told.spent <= told.low <= told.expected <= told.high


class TestAnomaly:
    """Pure: the days before in, and today."""

    def test_what_is_far_above_the_usual(self) -> None:
        before = [1_000_000, 1_100_000, 900_000, 1_050_000, 950_000, 1_000_000, 1_020_000] * 2
        found = anomaly(before, 3_000_000)
        assert found is not None
        assert (found.spent, found.usual) == (3_000_000, 1_000_000)
        assert found.z_tenths > 35
        assert anomaly(before, 1_150_000) is None
        assert anomaly(before, 0) is None, "the day is not over"

    def test_one_bad_day_does_not_hide_the_next(self) -> None:
        before = [1_000_000] * 13 + [50_000_000]
        assert anomaly(before, 3_000_000) is not None

    def test_too_few_days_tell_nothing(self) -> None:
        assert anomaly([1] * 6, 10**12) is None

    def test_pennies_are_not_worth_a_word(self) -> None:
        assert anomaly([0] * 14, 40_000) is None
        assert anomaly([0] * 14, 10_000_000) is not None


def use(database: Database, meter: Meter, **more: object) -> None:
    """Twenty days: a model that is used evenly, and a second one that today costs a lot."""
    events = []
    for number in range(20):
        at = NOW - number * DAY - 60
        same = {"at": at, "prompt_tokens": 3_000_000, "completion_tokens": 500_000}
        events.append(meter.event(f"req_a{number:02}", tags=tags(task="chart"), **same))
        events.append(meter.event(f"req_b{number:02}", model="boat", outcome="client_gone", at=at, prompt_tokens=10))
    events.append(meter.event("req_c", model="boat", at=NOW - 30, prompt_tokens=90_000_000, tags=tags(task="letter")))
    events.append(meter.event("req_d", at=NOW - 30, outcome="cached", saved_prompt_tokens=1_000_000))
    events.append(meter.event("ftjob-1", at=NOW - 3 * DAY, kind="training", training_tokens=1_000_000))
    events.append(meter.event("req_other", at=NOW - 30, project="proj_b", prompt_tokens=5_000_000))
    with database.write() as tx:
        billing.record(tx, events)


def test_figures_add_up_to_the_ledger(database: Database, meter: Meter) -> None:
    use(database, meter)
    everything = Question(NOW - 40 * DAY, NOW + 1, DAY, 1, ("model",))
    with database.read() as tx:
        told = insight(tx, ["proj_a"], everything, NOW, 160)
        owed = billing.balance(tx, "proj_a", "receivable")
    assert told.currency == "USD"
    assert told.total.cost == owed == sum(figures.cost for figures in told.groups.values())
    assert list(told.groups) == [(("model", "ship"),), (("model", "boat"),)]
    ship = told.groups[(("model", "ship"),)]
    assert ship.request_cost == 20 * (450_000 + 300_000)
    assert ship.cost == ship.request_cost + 3_000_000, "training is no request"
    assert (ship.requests, ship.answered, ship.saved) == (21, 21, 150_000)
    assert told.groups[(("model", "boat"),)].answered == 1, "one who left did not get the whole answer"
    assert ship.cost_per_thousand_answers == round(ship.request_cost * 1_000 / 21)
    assert ship.characters == 20 * 3_500_000 * 160 // 100
    assert ship.cost_per_60k_characters == round(ship.request_cost * 60_000 / ship.characters)
    assert {task: figures.answered for task, figures in told.tasks.items()} == {"chart": 20, "letter": 1}
    assert told.forecast.enough
    assert list(told.anomalies) == ["boat"]
    assert told.anomalies["boat"].spent == 13_500_002


def test_nothing_at_all(database: Database, meter: Meter) -> None:
    with database.read() as tx:
        told = insight(tx, ["proj_a"], Question(NOW - 9, NOW, 9, 1, ("model", "day")), NOW, 160)
    assert (told.total.cost, told.total.cost_per_60k_characters, told.groups, told.tasks) == (0, None, {}, {})


names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.dictionaries(names, names, max_size=3), min_size=1, max_size=6), name=names)
def test_any_tag_groups_and_filters(database: Database, meter: Meter, said: list[dict[str, str]], name: str) -> None:
    where = f"metadata.{name}"
    with database.write() as tx:
        taken = sum(1 for _ in report(tx, ["proj_t"], Question(0, 9_000, 9_000, 1), training=True)[0][0].results)
        project = f"proj_{taken}_{abs(hash((str(said), name)))}"
        events = [
            meter.event(f"{project}{n}", project=project, tags=json.dumps(one) if one else "", prompt_tokens=7_000)
            for n, one in enumerate(said)
        ]
        billing.record(tx, events)
        (bucket,), _ = report(tx, [project], Question(0, 9_000, 9_000, 1, (where,)), training=True)
        groups = {totals.group[where]: totals.events for totals in bucket.results}
        wanted = [one.get(name) for one in said]
        assert groups == {value: wanted.count(value) for value in wanted}
        for value in {value for value in wanted if value is not None}:
            only = Question(0, 9_000, 9_000, 1, (), {where: [value]})
            (bucket,), _ = report(tx, [project], only, training=True)
            assert [totals.events for totals in bucket.results] == [wanted.count(value)]
