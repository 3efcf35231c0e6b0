import pytest

from argosy.assistants.charts import ChartSpec
from argosy.core import Invalid


def test_a_spec_may_stand_among_blanks_or_in_a_code_fence(answer):
    spec = ChartSpec.parse(answer())
    assert ChartSpec.parse(f"\n  {answer()}  \n") == spec
    assert ChartSpec.parse(f"```json\n{answer()}\n```") == spec
    assert ChartSpec.parse(spec.as_json()) == spec


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Sure! Here is your chart.", "malformed"),
        ("", "truncated"),
        ("[]", "object"),
        ('{"chart":"bar"}', "missing required field `measure`"),
        ("{" * 5000, "5,000 characters"),
    ],
)
def test_an_answer_that_is_no_spec_is_refused_with_the_reason(text, reason):
    with pytest.raises(Invalid, match=reason) as refused:
        ChartSpec.parse(text)
    assert refused.value.code == "invalid_chart_spec"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"chart": "hologram"}, "hologram"),
        ({"aggregate": "drop table"}, "drop table"),
        ({"filters": []}, "filters"),
        ({"filters": {"region": 7}}, "filters"),
        ({"filters": {"region": "x" * 201}}, "200 characters"),
        ({"start": "2019-02-30"}, "start"),
        ({"start": "last year"}, "start"),
        ({"start": "2020-01-01", "end": "2019-01-01"}, "after its end"),
        ({"sql": "DELETE FROM data"}, "unknown field `sql`"),
    ],
)
def test_wrong_fields_are_refused_with_the_reason(answer, fields, reason):
    with pytest.raises(Invalid, match=reason):
        ChartSpec.parse(answer(**fields))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"measure": "password"}, "measure"),
        ({"measure": "region"}, "measure"),
        ({"group_by": "sales"}, "group_by"),
        ({"filters": {'region" OR 1=1 --': "x"}}, "filters"),
        ({"filters": {"date": "2019-01-01"}}, "filters"),
    ],
)
def test_columns_are_checked_against_the_table(answer, english, fields, param):
    with pytest.raises(Invalid, match="this table allows") as refused:
        ChartSpec.parse(answer(**fields)).check(english)
    assert refused.value.param == param
