import time

import pytest

from argosy.assistants.charts import Query, Table
from argosy.core import Invalid


def test_columns_are_known_by_their_use(english):
    assert english.time == "date"
    assert english.dimensions == ("region", "province", "category", "salesperson")
    assert english.measures == ("sales", "profit", "orders")
    assert english.columns["sales"].startswith("DECIMAL")
    assert len(english.values("region")) == 7


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY data TO '/tmp/argosy-must-not-exist.csv'",
        "ATTACH '/tmp/argosy-must-not-exist.db' AS x",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '64GB'",
    ],
)
def test_a_loaded_table_reaches_nothing_outside_itself(english, sql):
    with pytest.raises(Invalid, match="query failed"):
        english.run(Query(sql, ()))


def test_a_query_that_takes_too_long_is_stopped(english):
    begun = time.monotonic()
    with pytest.raises(Invalid, match="took longer than") as refused:
        english.run(
            Query("SELECT count(*) FROM range(100000000) a, range(1000) b WHERE hash(a.range) = b.range", ()),
            timeout_s=0.2,
        )
    assert refused.value.code == "query_too_slow"
    assert time.monotonic() - begun < 3
    assert english.run(Query("SELECT 1", ())) == [(1,)]


def test_a_file_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "words.csv").write_text("a,b\nx,y\n", "utf-8")
    with pytest.raises(Invalid, match="no column of numbers"):
        Table.open(tmp_path / "words.csv")
    with pytest.raises(Invalid, match="cannot be read"):
        Table.open(tmp_path / "missing.csv")


def test_a_column_with_a_quote_in_its_name_is_safe(tmp_path, answer):
    from argosy.assistants.charts import ChartSpec, compile_sql

    path = tmp_path / "odd.csv"
    path.write_text('"re""gion; --",sales\nA,1\n', "utf-8")
    with Table.open(path) as table:
        spec = ChartSpec.parse(answer(group_by='re"gion; --'))
        assert table.run(compile_sql(spec, table)) == [("A", 1)]
