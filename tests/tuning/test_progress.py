from argosy.tuning.progress import Progress, fold
from argosy.tuning.trainers.protocol import Hyperparameters, Phase, Started, Step, Validation

CHOSEN = Hyperparameters(4, 8, 1.0, 2e-3, 32, 64.0, 10, 0.5, 0)


def step(number):
    return Step(number, 1, 1.0, 0.5, 1000.0, number * 10, 3.0)


def test_records_become_events_and_an_estimate():
    batch = fold(Progress(), [Started(20, 4, 100, 500, CHOSEN, "fp32", 0), step(1), Validation(1, 2.0, 0.4)], 99)
    assert [e.kind for e in batch.events] == ["message", "metrics", "metrics"]
    assert (batch.progress.offset, batch.progress.step, batch.progress.total_steps) == (99, 1, 20)
    assert batch.hyperparameters == {"n_epochs": 4, "batch_size": 8, "learning_rate_multiplier": 1.0}
    assert batch.eta_s == 3.0
    assert batch.progress.settings["augmented_share"] == 0.5


def test_a_resumed_trainer_shows_no_step_twice():
    before = fold(Progress(), [step(n) for n in range(1, 8)], 10).progress
    after = fold(before, [step(n) for n in range(6, 10)], 20)
    assert [e.data["step"] for e in after.events] == [8, 9]


def test_folding_leaves_what_it_was_given_alone():
    before = Progress(seconds={"load": 1.0})
    after = fold(before, [Phase("load", 0.5), Phase("train", 2.0)], 5).progress
    assert before.seconds == {"load": 1.0}
    assert after.seconds == {"load": 1.5, "train": 2.0}
