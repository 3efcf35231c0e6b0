"""A price from measured speed: of the form that is served, with an arithmetic that can be done again by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argosy.core import Invalid, Settings
from argosy.identity import bootstrap
from argosy.serving import deploy, derive_price
from argosy.serving.pricing import derive
from argosy.serving.store import set_outcome

MODEL = "smollm2-135m-instruct"
SPEEDS = {"read_sixteen": 1000.0, "sixteen_streams": 100.0}
FIT = {"quantisation": "Q4_0", "measured": {"Q4_0": SPEEDS, "Q8_0": {"read_sixteen": 1.0, "sixteen_streams": 1.0}}}


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.integers(0, 10**9), st.integers(0, 99))
def test_the_margin_is_never_missed(read, written, per_hour, margin):
    found = derive("tiny", "Q4_0", {"read_sixteen": read, "sixteen_streams": written}, (per_hour, "USD"), margin)
    for price, cost in ((found.input, found.input_cost), (found.output, found.output_cost)):
        assert (price - cost) * 100 >= margin * price
        assert (price - 1) * (100 - margin) < cost * 100, "and it is the smallest that does not"


def test_it_is_of_the_form_that_is_served_and_says_how(database, home):
    settings = Settings.read({"ARGOSY_MACHINE_PRICE": "0.36 USD"}, home=home)
    with database.write() as tx:
        project = bootstrap(tx).project_id
        made = deploy(tx, project, MODEL)
        with pytest.raises(Invalid, match="was not measured here"):
            derive_price(tx, settings, MODEL, 30)
        set_outcome(tx, made.id, made.version, fit=FIT)
        found = derive_price(tx, settings, MODEL, 30)
        assert (found.measured, found.input, found.output) == ("Q4_0", 142_858, 1_428_572)
        assert found.arithmetic == (
            "0.360000 USD an hour, Q4_0 at 16 requests side by side, always busy",
            "input: 1,000.0 tokens a second are 3,600,000 an hour, so a million cost 0.100000 USD; "
            "/ (1 - 30 %) = 0.142858 USD",
            "output: 100.0 tokens a second are 360,000 an hour, so a million cost 1.000000 USD; "
            "/ (1 - 30 %) = 1.428572 USD",
        )
        with pytest.raises(Invalid, match="ARGOSY_MACHINE_PRICE"):
            derive_price(tx, Settings.read({}, home=home), MODEL, 30)
        with pytest.raises(Invalid, match="was not measured here"):
            derive_price(tx, settings, "gpt-6-luna", 30)


def test_speeds_of_nothing_are_no_price(database, home):
    settings = Settings.read({"ARGOSY_MACHINE_PRICE": "0.36 USD"}, home=home)
    with database.write() as tx:
        made = deploy(tx, bootstrap(tx).project_id, MODEL)
        for fit in (
            {},
            {"quantisation": "Q4_0", "measured": {}},
            {**FIT, "measured": {"Q4_0": dict.fromkeys(SPEEDS, 0.0)}},
        ):
            set_outcome(tx, made.id, made.version, fit=fit)
            with pytest.raises(Invalid, match="was not measured"):
                derive_price(tx, settings, MODEL, 30)
