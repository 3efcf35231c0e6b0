"""From a model's answer to a picture."""

import struct
from datetime import date

import pytest

from argosy.assistants.charts import answer_to_chart
from argosy.core import Invalid
from argosy.samples import rows


def size_of(png):
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", png[16:24])


def test_the_reference_request_is_drawn(chinese):
    request = rows("zh", "demo")[0]
    chart = answer_to_chart(request.answer, chinese, "zh", request.request)
    assert [day for day, _ in chart.rows] == [date(2019, 3, 1), date(2019, 4, 1), date(2019, 5, 1)]
    assert "华北" not in chart.sql
    assert "华北" in chart.params
    width, height = size_of(chart.png)
    assert width > 1200
    assert height > 700


def test_chinese_is_text_in_the_svg_and_has_glyphs_in_the_png(chinese):
    demo = rows("zh", "demo")[0].answer
    one, other = (answer_to_chart(demo, chinese, "zh", title) for title in ("销售额走势", "利润率排名"))
    assert "销售额走势" in one.svg
    assert "<text" in one.svg
    assert one.png != other.png, "both titles were drawn as the same boxes: the Chinese font is missing"


@pytest.mark.parametrize("chart", ["bar", "line", "pie", "area", "table"])
@pytest.mark.parametrize("group_by", ["province", "month", "year"])
def test_every_kind_of_chart_draws(answer, english, chart, group_by):
    drawn = answer_to_chart(answer(chart=chart, group_by=group_by, aggregate="avg"), english, "en")
    assert "Average sales" in drawn.svg or chart == "pie"
    assert "http" not in str(drawn.vega).replace(drawn.vega["$schema"], "")


def test_no_rows_give_a_picture_that_says_so(answer, chinese):
    chart = answer_to_chart(answer(filters={"region": "火星"}), chinese, "zh")
    assert chart.rows == []
    assert "没有符合条件的数据" in chart.svg
    assert size_of(chart.png)[0] > 1000


def test_a_pie_of_losses_becomes_bars_that_say_why(answer, english):
    chart = answer_to_chart(answer(chart="pie", measure="profit", aggregate="min"), english, "en")
    assert "A pie cannot show negative values" in chart.svg


def test_a_pie_of_many_groups_sums_up_the_smallest(answer, english):
    chart = answer_to_chart(answer(chart="pie", group_by="province"), english, "en")
    slices = chart.vega["data"]["values"]
    assert len(slices) == 10
    assert slices[-1]["group"] == "Other"
    assert sum(s["value"] for s in slices) == pytest.approx(float(sum(value for _, value in chart.rows)))


def test_names_without_end_do_not_make_a_picture_without_end(answer, tmp_path):
    from argosy.assistants.charts import Table

    path = tmp_path / "long.csv"
    path.write_text("region,sales\n" + "".join(f"r{n},{n}\n" for n in range(3000)), "utf-8")
    with Table.open(path) as table:
        assert table.values("region") is None
        for kind in ("bar", "line", "table", "pie"):
            drawn = answer_to_chart(answer(chart=kind), table, "en")
            assert len(drawn.rows) == 3000
            assert size_of(drawn.png)[1] < 5000
            assert "2940 more rows" in drawn.svg or kind == "pie"


def test_a_long_title_is_wrapped(answer, chinese):
    chart = answer_to_chart(answer(), chinese, "zh", "请" * 200)
    assert len(chart.vega["title"]["text"]) == 3


def test_markup_and_expressions_in_names_stay_text(answer, tmp_path):
    from argosy.assistants.charts import Table

    path = tmp_path / "hostile.csv"
    path.write_text('region,sales\n"<script>alert(1)</script>",5\n"datum.value\'+1",4\n', "utf-8")
    with Table.open(path) as table:
        for chart in ("bar", "pie", "line", "table"):
            drawn = answer_to_chart(answer(chart=chart), table, "en", "<b>title</b>")
            assert "<script" not in drawn.svg
            assert "<b>" not in drawn.svg


def test_what_is_no_spec_is_refused(english):
    with pytest.raises(Invalid):
        answer_to_chart("North China's sales went up.", english, "en")
