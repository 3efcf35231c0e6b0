import pytest

from argosy.core import Invalid
from argosy.tuning import read_request

LEAST = {"model": "m", "training_file": "file-1"}


def test_what_is_left_out_is_automatic():
    request = read_request(LEAST)
    assert request.hyperparameters == {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    assert (request.suffix, request.metadata, request.validation_file) == (None, None, None)
    assert 0 <= request.seed < 2**31


def test_hyperparameters_count_in_their_new_and_in_their_old_place():
    wanted = {"n_epochs": 3, "batch_size": 16, "learning_rate_multiplier": 0.5}
    new = {"method": {"type": "supervised", "supervised": {"hyperparameters": wanted}}}
    assert read_request(LEAST | new).hyperparameters == wanted
    assert read_request(LEAST | {"hyperparameters": wanted}).hyperparameters == wanted


def test_a_field_that_is_null_counts_as_left_out():
    nothing = dict.fromkeys(["validation_file", "suffix", "seed", "metadata", "integrations", "method"])
    assert read_request(LEAST | nothing).hyperparameters["n_epochs"] == "auto"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"training_file": ""}, "training_file"),
        ({"epochs": 3}, "epochs"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": 2**31}, "seed"),
        ({"suffix": "中文"}, "suffix"),
        ({"suffix": "a:b"}, "suffix"),
        ({"metadata": {"k": 1}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {"k" * 65: "v"}}, "metadata"),
        ({"metadata": {str(i): "" for i in range(17)}}, "metadata"),
        ({"hyperparameters": [1]}, "hyperparameters"),
        ({"hyperparameters": {"n_epochs": 0}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": 1.5}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"n_epochs": True}}, "hyperparameters.n_epochs"),
        ({"hyperparameters": {"batch_size": 257}}, "hyperparameters.batch_size"),
        ({"hyperparameters": {"learning_rate_multiplier": 0}}, "hyperparameters.learning_rate_multiplier"),
        ({"hyperparameters": {"learning_rate_multiplier": float("nan")}}, "hyperparameters.learning_rate_multiplier"),
        ({"hyperparameters": {"rank": 8}}, "hyperparameters.rank"),
        ({"method": "supervised"}, "method.type"),
        ({"method": {"type": "reinforcement"}}, "method.type"),
        ({"method": {"type": "supervised", "dpo": {}}}, "method.dpo"),
        ({"method": {"type": "supervised", "supervised": 1}}, "method.supervised"),
        ({"method": {"type": "supervised", "supervised": {"x": 1}}}, "method.supervised.x"),
        ({"hyperparameters": {}, "method": {"type": "supervised", "supervised": {"hyperparameters": {}}}},
         "hyperparameters"),
    ],
)  # fmt: skip
def test_what_cannot_be_carried_out_is_refused_naming_the_field(change, param):
    with pytest.raises(Invalid) as caught:
        read_request(LEAST | change)
    assert caught.value.param == param


def test_a_body_that_is_no_object_is_refused():
    with pytest.raises(Invalid):
        read_request([])
