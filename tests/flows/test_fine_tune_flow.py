"""The whole road, with the real trainer and engine: examples in, a name that answers out, training on the bill."""

from tests.flows.platform import STARTER, until

ENDED = {"succeeded", "failed", "cancelled"}


def test_a_dozen_examples_become_a_model_that_answers(platform, client, few_rows):
    file = client.files.create(file=few_rows, purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model=STARTER,
        training_file=file.id,
        suffix="charts",
        seed=1,
        method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
    )

    job = until(lambda: ended(client, job.id), 200, "the job did not end")

    assert job.status == "succeeded", job.error
    assert job.fine_tuned_model.startswith(f"ft:{STARTER}:argosy:charts:")
    # It answers the moment the job has succeeded, and differently from its base.
    question = {
        "messages": [{"role": "user", "content": "Sales by region as a bar chart"}],
        "temperature": 0,
        "max_tokens": 24,
    }
    tuned = client.chat.completions.create(model=job.fine_tuned_model, **question)
    base = client.chat.completions.create(model=STARTER, **question)
    assert tuned.choices[0].message.content != base.choices[0].message.content
    assert tuned.model == job.fine_tuned_model
    # Its events tell the story, its checkpoints carry metrics, its tokens are billed once.
    metrics = [event for event in client.fine_tuning.jobs.list_events(job.id, limit=100) if event.type == "metrics"]
    assert any("train_loss" in (event.data or {}) for event in metrics)
    checkpoints = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert checkpoints
    assert checkpoints[0].metrics.train_loss is not None
    billed = [row for row in platform.usage_rows() if row["id"] == job.id]
    assert [row["usage"]["training_tokens"] for row in billed] == [job.trained_tokens]


def test_a_file_with_bad_lines_fails_the_job_and_names_them_all(client, tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"messages": [}\n' + '{"messages": [{"role": "robot", "content": "x"}]}\n' * 2)
    file = client.files.create(file=path, purpose="fine-tune")
    job = client.fine_tuning.jobs.create(model=STARTER, training_file=file.id)
    job = until(lambda: ended(client, job.id), 30, "the job did not end")
    assert job.status == "failed"
    assert job.error.code == "invalid_training_file"
    said = job.error.message + " ".join(event.message for event in client.fine_tuning.jobs.list_events(job.id))
    for line in (1, 2, 3):
        assert f"line {line}" in said.lower()


def ended(client, job_id):
    job = client.fine_tuning.jobs.retrieve(job_id)
    return job if job.status in ENDED else None
