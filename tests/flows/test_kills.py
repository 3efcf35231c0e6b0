"""`kill -9` of every process in mid-work: it all goes on, nothing is lost or doubled, nobody is left over."""

import contextlib
import shutil
import threading

import openai
import pytest
from tests.flows.platform import STARTER, RunningPlatform, alive, until
from tests.flows.test_fine_tune_flow import ended

LONG = {
    "model": STARTER,
    "messages": [{"role": "user", "content": "Tell a long story."}],
    "max_tokens": 200,
    "temperature": 0,
}
SHORT = {**LONG, "max_tokens": 4}


@pytest.fixture
def own_platform(tmp_path, platform):
    """A platform that a test may break. It takes over what the shared one measured of the model, to start quickly."""
    shutil.copytree(platform.home / "models", tmp_path / "home" / "models")
    running = RunningPlatform(tmp_path / "home", STARTER)
    running.wait_for_model()
    yield running
    if running.process.poll() is None:
        running.stop()


def test_a_killed_engine_is_replaced_and_carries_on_the_answer_that_it_was_giving(own_platform):
    whole = own_platform.client.chat.completions.create(**LONG)
    stream = own_platform.client.chat.completions.create(**LONG, stream=True, stream_options={"include_usage": True})
    pieces, usage = [], None
    for chunk in stream:
        usage = chunk.usage or usage
        pieces += [choice.delta.content or "" for choice in chunk.choices]
        if len(pieces) == 20:
            own_platform.kill("engines.llama_cpp")
    assert "".join(pieces) == whole.choices[0].message.content, "greedy, so that it is known"
    assert usage.prompt_tokens == whole.usage.prompt_tokens
    assert abs(usage.completion_tokens - whole.usage.completion_tokens) <= 2
    # The very next request is answered: it waits for the new engine.
    assert own_platform.client.chat.completions.create(**SHORT).choices
    rows = until(lambda: enough(own_platform.usage_rows(), 3), 10, "usage was lost")
    assert sorted(row["attempts"] for row in rows) == [1, 1, 2]
    assert {row["outcome"] for row in rows} == {"complete"}


def test_a_killed_api_comes_back_and_bills_what_was_delivered_once(own_platform):
    own_platform.client.chat.completions.create(**SHORT)
    stream = own_platform.client.chat.completions.create(**LONG, stream=True)
    for _ in range(5):
        next(iter(stream))
    own_platform.kill("argosy api")

    answer = until(lambda: try_again(own_platform), 20, "the API did not come back")

    assert answer.choices
    rows = until(lambda: enough(own_platform.usage_rows(), 3), 10, "usage was lost")
    assert len({row["id"] for row in rows}) == len(rows) == 3
    assert [row["outcome"] for row in rows].count("recovered") == 1


def test_a_killed_worker_takes_its_children_along_and_the_job_goes_on(own_platform, few_rows):
    job = start_job(own_platform.client, few_rows)
    trainer = until(lambda: own_platform.find("tuning.trainers"), 60, "no trainer started")
    until(lambda: has_step(own_platform.client, job.id), 60, "training did not begin")
    engine = own_platform.find("engines.llama_cpp")

    own_platform.kill("argosy worker")

    until(lambda: not alive(trainer) and not alive(engine), 5, "a child outlived the worker")
    job = until(lambda: ended(own_platform.client, job.id), 200, "the job did not go on")
    assert job.status == "succeeded", job.error
    assert own_platform.client.chat.completions.create(**{**SHORT, "model": job.fine_tuned_model}).choices
    assert [row["id"] for row in own_platform.usage_rows()].count(job.id) == 1


def test_a_killed_trainer_goes_on_from_its_checkpoint(own_platform, few_rows):
    job = start_job(own_platform.client, few_rows)
    until(lambda: has_step(own_platform.client, job.id), 60, "training did not begin")
    own_platform.kill("tuning.trainers")
    job = until(lambda: ended(own_platform.client, job.id), 200, "the job did not go on")
    assert job.status == "succeeded", job.error


def test_a_killed_supervisor_leaves_nobody_and_the_same_command_goes_on(own_platform, few_rows):
    job = start_job(own_platform.client, few_rows)
    until(lambda: has_step(own_platform.client, job.id), 60, "training did not begin")
    everyone = own_platform.everyone()

    own_platform.process.kill()

    until(lambda: not any(alive(process) for process in everyone), 5, "somebody was left over")
    own_platform.start()
    job = until(lambda: ended(own_platform.client, job.id), 200, "the job did not go on")
    assert job.status == "succeeded", job.error


def test_ctrl_c_stops_everything_within_five_seconds_even_in_mid_work(own_platform, few_rows):
    job = start_job(own_platform.client, few_rows)
    until(lambda: has_step(own_platform.client, job.id), 60, "training did not begin")
    talking = threading.Thread(target=lambda: swallow(own_platform.client), daemon=True)
    talking.start()
    assert own_platform.stop() < 5


def start_job(client, path):
    file = client.files.create(file=path, purpose="fine-tune")
    hyperparameters = {"n_epochs": 3, "batch_size": 2}
    return client.fine_tuning.jobs.create(
        model=STARTER,
        training_file=file.id,
        method={"type": "supervised", "supervised": {"hyperparameters": hyperparameters}},
    )


def has_step(client, job_id):
    return any(event.type == "metrics" for event in client.fine_tuning.jobs.list_events(job_id, limit=50).data)


def enough(rows, count):
    return rows if len(rows) >= count else None


def swallow(client):
    with contextlib.suppress(openai.APIError):
        client.chat.completions.create(**LONG)


def try_again(platform):
    try:
        return platform.client.chat.completions.create(**SHORT)
    except openai.APIError:
        return None
