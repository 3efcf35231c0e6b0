from argosy.runtime import beat, seconds_since_beat


def test_the_last_sign_of_life_counts(database):
    with database.write() as tx:
        assert seconds_since_beat(tx, "worker") is None
        beat(tx, "worker", 1)
        beat(tx, "worker", 2)
        assert 0 <= seconds_since_beat(tx, "worker") < 5
        assert seconds_since_beat(tx, "other") is None
