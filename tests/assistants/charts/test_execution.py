from argosy.assistants.charts import ChartSpec, same_answer, same_result


def match(one, other, table):
    return same_result(ChartSpec.parse(one), ChartSpec.parse(other), table)


def test_a_filter_that_changes_nothing_gives_the_same_chart(answer, english):
    written_out = answer(filters={"province": "Hebei", "region": "North China"}, group_by="category")
    assert match(written_out, answer(filters={"province": "Hebei"}, group_by="category"), english)
    assert match(answer(start="2018-01-01", end="2021-12-31"), answer(), english)


def test_other_rows_or_another_kind_of_chart_do_not_match(answer, english):
    assert not match(answer(start="2019-01-01"), answer(), english)
    assert not match(answer(chart="pie"), answer(), english)
    assert not match(answer(measure="orders"), answer(), english)


def test_two_wrong_answers_with_no_rows_do_not_match(answer, english):
    nowhere = answer(filters={"region": "Atlantis"})
    assert not match(nowhere, answer(filters={"region": "Lemuria"}), english)
    assert not match(answer(filters={"planet": "Mars"}), answer(), english)


def test_an_answer_that_is_no_spec_matches_nothing(answer, english):
    assert same_answer(answer(), answer(), english)
    assert not same_answer("I cannot draw.", answer(), english)
