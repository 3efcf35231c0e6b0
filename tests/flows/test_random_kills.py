"""Twenty processes killed at random while clients are served by four API processes: the books say what clients saw.

The nightly form, with three hundred, is ``python -m bench kills``.
"""

import pytest
from bench.kills import rounds
from tests.postgres import programs

ROUNDS, KILLS = 5, 2
SEED = 1


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_whoever_is_killed_nothing_is_lost_and_nothing_is_charged_twice(database):
    if database == "postgresql" and programs() is None:
        pytest.skip("PostgreSQL is not installed here: 'apt-get install postgresql' lets this test run")
    done = list(rounds(database, ROUNDS, SEED, KILLS))
    wrong = [f"after a kill of {one['killed']}: {what}" for one in done for what in one["violations"]]
    assert not wrong, "\n".join(wrong)
    assert sum(one["complete"] for one in done) > 5 * ROUNDS, "there was hardly any load"
    assert sum(one["refused"] for one in done) > 0, "the little budget never ran out"
    assert len({name for one in done for name in one["killed"]}) >= 2
