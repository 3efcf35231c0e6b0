from argosy.tuning.publishing import model_name, result_table


def test_names_are_openais():
    assert model_name("base", "org", "charts", "ftjob-0123456789") == "ft:base:org:charts:23456789"
    assert model_name("base", "org", None, "ftjob-0123456789") == "ft:base:org::23456789"


def test_the_result_table_joins_training_and_validation_by_step():
    metrics = [{"step": 2, "train_loss": 0.5, "train_mean_token_accuracy": 0.9},
               {"step": 1, "train_loss": 1.0, "train_mean_token_accuracy": 0.8},
               {"step": 2, "full_valid_loss": 0.6, "full_valid_mean_token_accuracy": 0.7}]  # fmt: skip
    assert result_table(metrics).decode().splitlines() == [
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy",
        "1,1.0,0.8,,",
        "2,0.5,0.9,0.6,0.7",
    ]
