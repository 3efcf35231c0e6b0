import csv
from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest

from argosy.assistants.charts import ChartSpec, compile_sql
from argosy.core import Invalid
from argosy.samples import rows, table_path


def run(text, table):
    return table.run(compile_sql(ChartSpec.parse(text), table))


def test_values_travel_as_parameters_never_in_the_sql(answer, english):
    hostile = "x'; DROP TABLE data; --"
    query = compile_sql(ChartSpec.parse(answer(filters={"region": hostile}, start="2019-01-01")), english)
    assert hostile not in query.sql
    assert query.params == (hostile, date(2019, 1, 1))
    assert english.run(query) == []
    assert len(run(answer(), english)) == 7


def test_sums_are_exact_to_the_cent(answer, english):
    expected = defaultdict(Decimal)
    with table_path("en").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if "2019-03-01" <= row["date"] <= "2019-05-31":
                expected[row["region"]] += Decimal(row["sales"])
    assert dict(run(answer(start="2019-03-01", end="2019-05-31"), english)) == expected


def test_both_ends_of_a_period_are_included(answer, english):
    whole = run(answer(group_by="month", start="2019-03-01", end="2019-03-31", measure="orders"), english)
    parts = [
        run(answer(group_by="month", start=start, end=end, measure="orders"), english)
        for start, end in (("2019-03-01", "2019-03-15"), ("2019-03-16", "2019-03-31"))
    ]
    assert whole[0][1] == sum(part[0][1] for part in parts)


def test_periods_are_in_order_of_time_and_other_groups_largest_first(answer, english):
    quarters = [day for day, _ in run(answer(group_by="quarter", start="2019-01-01", end="2020-12-31"), english)]
    assert quarters == [date(year, month, 1) for year in (2019, 2020) for month in (1, 4, 7, 10)]
    values = [value for _, value in run(answer(group_by="province"), english)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("split", ["train", "dev", "values", "paraphrase", "composition", "demo"])
def test_every_sample_answer_gives_rows(language, split, english, chinese):
    table = english if language == "en" else chinese
    assert all(run(row.answer, table) for row in rows(language, split))


def test_a_table_without_dates_has_no_periods(answer, tmp_path):
    from argosy.assistants.charts import Table

    path = tmp_path / "plain.csv"
    path.write_text("region,sales\nA,1\nB,2\n", "utf-8")
    with Table.open(path) as table:
        assert run(answer(), table) == [("B", 2), ("A", 1)]
        with pytest.raises(Invalid, match="no date column"):
            run(answer(start="2019-01-01"), table)
        with pytest.raises(Invalid, match="allows region"):
            run(answer(group_by="month"), table)
