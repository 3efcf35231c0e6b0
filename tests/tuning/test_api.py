"""OpenAI's SDK against the routes: what it sends is understood, what it gets is what its types promise."""

import openai
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.tuning.fake_trainer import Misdeed
from tests.tuning.fakes import BASE
from tests.tuning.test_story import ONE_DATABASE
from tests.worker import wait_until

from argosy import catalog, identity
from argosy.api.context import Platform
from argosy.api.errors import handle_errors
from argosy.api.openai import fine_tuning
from argosy.identity import KeyRing

SUPERVISED = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 4}}}


@pytest.fixture
def client(harbour):
    """An SDK client of the harbour's project, whose routes see the harbour's fake engines."""
    with harbour.database.write() as tx:
        _, secret = identity.create_key(tx, harbour.caller.project_id, "test", ["tuning"])
    return connect(harbour, secret)


def connect(harbour, secret):
    keys = KeyRing(harbour.database)
    keys.refresh()
    app = FastAPI()
    app.state.platform = Platform(harbour.settings, harbour.database, harbour.blobs, keys)
    app.include_router(fine_tuning.router)
    app.dependency_overrides[fine_tuning.engines] = lambda: harbour.engines
    handle_errors(app)
    transport = TestClient(app, base_url="http://argosy/v1")
    return openai.OpenAI(api_key=secret, base_url="http://argosy/v1", http_client=transport, max_retries=0)


def test_a_job_from_request_to_model(client, harbour):
    made = client.fine_tuning.jobs.create(
        model=BASE, training_file=harbour.upload(), validation_file=harbour.upload(), suffix="charts",
        seed=7, metadata={"team": "sales"}, method=SUPERVISED,
    )  # fmt: skip
    assert (made.object, made.status, made.fine_tuned_model) == ("fine_tuning.job", "validating_files", None)
    assert (made.seed, made.metadata, made.method.type) == (7, {"team": "sales"}, "supervised")
    assert (made.hyperparameters.n_epochs, made.hyperparameters.learning_rate_multiplier) == (2, "auto")
    assert made.organization_id == harbour.caller.organization_id
    harbour.start_worker()
    harbour.end_of(made.id)
    job = client.fine_tuning.jobs.retrieve(made.id)
    assert (job.status, job.trained_tokens, job.error) == ("succeeded", 2000, None)
    assert job.fine_tuned_model.startswith(f"ft:{BASE}:argosy:charts:")
    assert job.finished_at >= job.created_at
    assert len(job.result_files) == 1
    assert [c.step_number for c in client.fine_tuning.jobs.checkpoints.list(job.id)] == [20, 15, 10]


@ONE_DATABASE
def test_events_come_newest_first_and_page_by_page(client, harbour):
    harbour.start_worker()
    job_id = harbour.end_of(harbour.create().id).id
    page = client.fine_tuning.jobs.list_events(job_id, limit=5)
    assert (len(page.data), page.has_more) == (5, True)
    every = list(client.fine_tuning.jobs.list_events(job_id, limit=5))
    assert [e.id for e in every] == [e.id for e in reversed(harbour.events(job_id))]
    metrics = next(e for e in every if e.type == "metrics" and e.data["step"] == 20 and "train_loss" in e.data)
    assert (metrics.object, metrics.level, metrics.data["total_steps"]) == ("fine_tuning.job.event", "info", 20)


def test_jobs_are_listed_newest_first_by_page_and_by_metadata(client, harbour):
    file = harbour.upload()
    ids = [harbour.create(file, metadata={"n": str(i % 2)}).id for i in range(5)]
    assert [job.id for job in client.fine_tuning.jobs.list(limit=2)] == ids[::-1]
    assert [job.id for job in client.fine_tuning.jobs.list(metadata={"n": "1"})] == [ids[3], ids[1]]


def test_a_job_can_be_cancelled_twice_but_not_after_it_ended(client, harbour):
    job_id = harbour.create().id
    assert client.fine_tuning.jobs.cancel(job_id).status == "cancelled"
    assert client.fine_tuning.jobs.cancel(job_id).status == "cancelled"
    harbour.start_worker()
    ended = harbour.end_of(harbour.create().id).id
    with pytest.raises(openai.BadRequestError, match="has succeeded"):
        client.fine_tuning.jobs.cancel(ended)


@ONE_DATABASE
def test_pausing_is_refused_with_words(client, harbour):
    job_id = harbour.create().id
    with pytest.raises(openai.BadRequestError, match="cannot be paused"):
        client.fine_tuning.jobs.pause(job_id)


@ONE_DATABASE
def test_another_projects_job_does_not_exist(client, harbour):
    job_id = harbour.create().id
    with harbour.database.write() as tx:
        other = identity.create_project(tx, harbour.caller.project_id, "other")
        _, secret = identity.create_key(tx, other.id, "test", ["tuning"])
    stranger = connect(harbour, secret).fine_tuning.jobs
    for call in (stranger.retrieve, stranger.cancel, stranger.list_events, stranger.pause, stranger.checkpoints.list):
        with pytest.raises(openai.NotFoundError):
            call(job_id)
    assert list(stranger.list()) == []


@ONE_DATABASE
def test_a_key_without_the_scope_is_refused(harbour):
    with harbour.database.write() as tx:
        _, secret = identity.create_key(tx, harbour.caller.project_id, "test", ["inference"])
    with pytest.raises(openai.PermissionDeniedError):
        connect(harbour, secret).fine_tuning.jobs.list()


@ONE_DATABASE
@pytest.mark.parametrize(
    ("change", "error", "param"),
    [
        ({"model": "smollm2-135m-instrukt"}, openai.NotFoundError, "model"),
        ({"model": f"ft:{BASE}:argosy::abc"}, openai.BadRequestError, "model"),
        ({"training_file": "file-nothing"}, openai.BadRequestError, "training_file"),
        ({"validation_file": "file-nothing"}, openai.BadRequestError, "validation_file"),
        ({"suffix": "a b"}, openai.BadRequestError, "suffix"),
        ({"suffix": "x" * 65}, openai.BadRequestError, "suffix"),
        ({"method": {"type": "dpo"}}, openai.BadRequestError, "method.type"),
        ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, openai.BadRequestError, "integrations"),
        ({"hyperparameters": {"n_epochs": 51}}, openai.BadRequestError, "hyperparameters.n_epochs"),
    ],
)
def test_a_bad_request_is_refused_at_once_naming_the_field(client, harbour, change, error, param):
    request = {"model": BASE, "training_file": harbour.upload()} | change
    with pytest.raises(error) as caught:
        client.fine_tuning.jobs.create(**request)
    assert caught.value.param == param
    assert list(client.fine_tuning.jobs.list()) == []


@ONE_DATABASE
def test_a_misspelt_model_is_answered_with_the_right_name(client, harbour):
    with pytest.raises(openai.NotFoundError, match="smollm2-135m-instruct"):
        client.fine_tuning.jobs.create(model="smollm2-135m-instrukt", training_file=harbour.upload())


@ONE_DATABASE
def test_a_model_that_is_not_deployed_says_how_to_deploy_it(client, harbour):
    harbour.engines.file = None
    with pytest.raises(openai.BadRequestError, match="argosy deploy smollm2-135m-instruct"):
        client.fine_tuning.jobs.create(model=BASE, training_file=harbour.upload())


@ONE_DATABASE
def test_a_checkpoint_becomes_a_model_on_demand(client, harbour):
    harbour.start_worker()
    job = harbour.end_of(harbour.create().id)
    checkpoint = client.fine_tuning.jobs.checkpoints.list(job.id).data[1]
    path = f"/fine_tuning/jobs/{job.id}/checkpoints/{checkpoint.id}/deploy"
    for _ in range(2):  # harmless to repeat
        shown = client.post(path, cast_to=object)
        assert shown["fine_tuned_model_checkpoint"] == f"{job.fine_tuned_model}:ckpt-step-15"
    with harbour.database.read() as tx:
        model = catalog.find_model(tx, job.project_id, f"{job.fine_tuned_model}:ckpt-step-15")
    assert (model.lineage.checkpoint_step, model.lineage.job) == (15, job.id)
    with pytest.raises(openai.NotFoundError):
        client.post(path.replace(checkpoint.id, "ftckpt_nothing"), cast_to=object)


@ONE_DATABASE
def test_a_checkpoint_of_a_job_that_still_trains_cannot_be_deployed_yet(client, harbour):
    harbour.start_worker()
    job_id = harbour.create(seed=Misdeed.SLOW).id
    checkpoint = wait_until(lambda: client.fine_tuning.jobs.checkpoints.list(job_id).data, bool)[0]
    with pytest.raises(openai.BadRequestError, match="once the job has ended"):
        client.post(f"/fine_tuning/jobs/{job_id}/checkpoints/{checkpoint.id}/deploy", cast_to=object)


@ONE_DATABASE
def test_a_file_for_another_purpose_is_refused(client, harbour):
    harbour.start_worker()
    results = harbour.end_of(harbour.create().id).result_file
    with pytest.raises(openai.BadRequestError, match="fine-tune-results"):
        client.fine_tuning.jobs.create(model=BASE, training_file=results)
