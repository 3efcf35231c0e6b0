import csv
import io

import pytest
from sqlalchemy.exc import OperationalError
from tests.tuning.fake_trainer import Misdeed
from tests.worker import wait_until

from argosy import billing, catalog, datasets
from argosy.core import NotFound, OutOfSpace
from argosy.tuning import list_checkpoints

ONE_DATABASE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
"""For what does not depend on the database: each story takes a second."""


def steps(harbour, job_id):
    """The steps that were shown, in the order of their events."""
    return [e.data["step"] for e in harbour.events(job_id) if e.type == "metrics" and "train_loss" in e.data]


def owed(harbour):
    with harbour.database.read() as tx:
        return billing.balance(tx, harbour.caller.project_id, billing.RECEIVABLE)


def checkpoints(harbour, job_id):
    with harbour.database.read() as tx:
        return list_checkpoints(tx, harbour.caller.project_id, job_id)


def has_model(harbour, job):
    with harbour.database.read() as tx:
        try:
            return catalog.find_model(tx, job.project_id, job.fine_tuned_model)
        except NotFound:
            return None


def test_a_job_becomes_a_model_that_answers_and_is_paid_for(harbour):
    harbour.start_worker()
    job = harbour.end_of(harbour.create(suffix="charts").id)
    assert (job.status, job.error) == ("succeeded", None)
    assert job.fine_tuned_model == f"ft:smollm2-135m-instruct:argosy:charts:{job.id[-8:]}"
    assert job.trained_tokens == 2000
    assert job.hyperparameters == {"n_epochs": 4, "batch_size": 20, "learning_rate_multiplier": 1.0}
    with harbour.database.read() as tx:
        price = billing.current_prices(tx)["smollm2-135m-instruct"]
        rows = datasets.find_dataset_version(tx, job.project_id, job.training_dataset)
    assert owed(harbour) == (2000 * price.training + 500_000) // 1_000_000 > 0
    lineage = has_model(harbour, job).lineage
    assert (lineage.job, lineage.dataset_digest) == (job.id, rows.digest)
    assert lineage.hyperparameters["learning_rate"] == 2e-3


def test_a_base_that_was_unloaded_meanwhile_is_asked_for(harbour):
    harbour.start_worker()
    harbour.end_of(harbour.create().id)
    assert harbour.engines.demanded == "smollm2-135m-instruct"


def test_every_step_is_an_event_and_a_line_of_the_results(harbour):
    harbour.start_worker()
    job = harbour.end_of(harbour.create().id)
    assert steps(harbour, job.id) == list(range(1, 21))
    with harbour.database.read() as tx:
        file = datasets.find_file(tx, job.project_id, job.result_file)
    assert (file.purpose, file.filename) == ("fine-tune-results", f"{job.id}-results.csv")
    lines = list(csv.reader(io.StringIO(b"".join(harbour.blobs.read(file.digest)).decode())))
    assert lines[0] == ["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"]
    assert lines[1] == ["1", "2.0", "0.0", "", ""]
    assert lines[5] == ["5", "0.4", "0.8", "0.6", "0.5"]
    assert len(lines) == 21


@ONE_DATABASE
def test_where_the_time_went_is_told(harbour):
    harbour.start_worker()
    job = harbour.end_of(harbour.create().id)
    phases = [e.data["phase"] for e in harbour.events(job.id) if e.data and "phase" in e.data]
    assert phases == ["files", "queue", "train", "publish", "attach"]
    summary = harbour.events(job.id)[-1].data
    assert set(summary["seconds"]) == set(phases)
    assert summary["total_seconds"] >= sum(summary["seconds"].values()) - summary["seconds"]["train"]


@ONE_DATABASE
def test_the_last_three_checkpoints_are_kept(harbour):
    harbour.start_worker()
    job = harbour.end_of(harbour.create(suffix="a").id)
    kept = checkpoints(harbour, job.id)
    assert [c.step for c in kept] == [20, 15, 10]
    assert kept[0].model == f"{job.fine_tuned_model}:ckpt-step-20"
    assert b"adapter of step 15" in b"".join(harbour.blobs.read(kept[1].blob))
    assert not (harbour.settings.home / "tuning" / job.id / "checkpoints").exists()


def test_a_bad_file_is_refused_with_all_its_problems(harbour):
    harbour.start_worker()
    lines = [b'{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}'] * 12
    lines[3], lines[7] = b"{not json", b'{"messages": []}'
    job = harbour.end_of(harbour.create(harbour.upload(content=b"\n".join(lines))).id)
    assert (job.status, job.error["code"], job.error["param"]) == ("failed", "invalid_training_file", "training_file")
    assert "line 4" in job.error["message"].lower()
    assert "line 8" in job.error["message"].lower()
    problems = [e.data["line"] for e in harbour.events(job.id) if e.level == "error" and e.data]
    assert problems == [4, 8]
    assert owed(harbour) == 0


@ONE_DATABASE
def test_a_bad_validation_file_is_named_as_such(harbour):
    harbour.start_worker()
    job = harbour.end_of(harbour.create(validation_file=harbour.upload(content=b"\n")).id)
    assert (job.status, job.error["param"]) == ("failed", "validation_file")


def test_one_training_at_a_time_the_others_wait(harbour):
    harbour.start_worker()
    first, second = harbour.create(seed=Misdeed.SLOW).id, harbour.create().id
    harbour.wait_for(first, "running")
    harbour.wait_for(second, "queued")
    assert harbour.end_of(second).status == "succeeded"
    assert harbour.job(second).started_us >= harbour.job(first).finished_us


def test_a_waiting_job_can_be_cancelled_and_never_starts(harbour):
    harbour.start_worker()
    first, second = harbour.create(seed=Misdeed.SLOW).id, harbour.create().id
    harbour.wait_for(first, "running")
    harbour.wait_for(second, "queued")
    assert harbour.cancel(second).status == "cancelled"
    assert harbour.end_of(first).status == "succeeded"
    assert steps(harbour, second) == []


@ONE_DATABASE
def test_cancelling_ends_the_trainer_and_nothing_is_charged(harbour):
    harbour.start_worker()
    job_id = harbour.create(seed=Misdeed.SLOW).id
    wait_until(lambda: steps(harbour, job_id), lambda seen: len(seen) >= 6)
    job = harbour.cancel(job_id)
    pid = int((harbour.settings.home / "tuning" / job_id / "trainer.pid").read_text().split()[0])
    wait_until(lambda: harbour.is_alive(pid), lambda alive: not alive)
    seen = steps(harbour, job_id)
    kept = wait_until(lambda: checkpoints(harbour, job_id), lambda found: found[0].blob is not None)
    assert kept[0].step == 5, "a cancelled job keeps its last checkpoints"
    assert steps(harbour, job_id) == seen
    assert (harbour.job(job_id).status, owed(harbour), has_model(harbour, job)) == ("cancelled", 0, None)


def test_cancelling_while_the_model_is_attached_takes_it_back(harbour):
    harbour.engines.loads = False
    harbour.start_worker()
    job = harbour.create()
    wait_until(lambda: has_model(harbour, job), bool)
    harbour.cancel(job.id)
    wait_until(lambda: has_model(harbour, job), lambda model: model is None)
    assert (harbour.job(job.id).status, owed(harbour)) == ("cancelled", 0)


@ONE_DATABASE
def test_a_model_that_no_engine_loads_is_a_failed_job(harbour):
    harbour.engines.loads, harbour.attach_s_max = False, 0.3
    harbour.start_worker()
    job = harbour.end_of(harbour.create().id)
    assert (job.status, job.error["code"]) == ("failed", "attach_timed_out")
    wait_until(lambda: has_model(harbour, job), lambda model: model is None)
    assert owed(harbour) == 0


def test_a_killed_trainer_goes_on_from_its_checkpoint(harbour):
    harbour.start_worker()
    job = harbour.end_of(harbour.create(seed=Misdeed.DIES_ONCE).id)
    assert job.status == "succeeded"
    assert steps(harbour, job.id) == list(range(1, 21)), "none lost, none twice"
    messages = [e.message for e in harbour.events(job.id)]
    assert any("interrupted (SIGKILL) after step 7" in message for message in messages)
    assert any("resumed from step 5" in message for message in messages)
    assert job.trained_tokens == 2000


@ONE_DATABASE
def test_an_adapter_that_the_engine_refuses_is_a_failed_job_at_once(harbour):
    harbour.engines.loads, harbour.engines.refuses = False, "unknown tensor"
    harbour.start_worker()
    job = harbour.end_of(harbour.create().id)
    assert (job.status, job.error["code"]) == ("failed", "adapter_refused")
    assert "unknown tensor" in job.error["message"]


@ONE_DATABASE
def test_a_trainer_that_is_killed_again_and_again_is_given_up(harbour):
    harbour.start_worker()
    job = harbour.end_of(harbour.create(seed=Misdeed.DIES_ALWAYS).id)
    assert (job.status, job.error["code"]) == ("failed", "trainer_killed")
    assert "SIGKILL 3 times" in job.error["message"]


@ONE_DATABASE
@pytest.mark.parametrize(
    ("misdeed", "code", "words"),
    [
        (Misdeed.FAILS, "rows_too_long", "Row 3 is longer"),
        (Misdeed.CRASHES, "trainer_failed", "the matrices do not fit"),
    ],
)
def test_what_the_trainer_says_reaches_the_user(harbour, misdeed, code, words):
    harbour.start_worker()
    job = harbour.end_of(harbour.create(seed=misdeed).id)
    assert (job.status, job.error["code"]) == ("failed", code)
    assert words in job.error["message"]


@ONE_DATABASE
def test_a_full_disk_is_named(harbour, monkeypatch):
    def full(_path):
        raise OutOfSpace("The disk is full.", code="disk_full")

    monkeypatch.setattr(harbour.blobs, "put_file", full)
    harbour.start_worker()
    job = harbour.end_of(harbour.create().id)
    assert (job.status, job.error["code"]) == ("failed", "disk_full")


@ONE_DATABASE
def test_a_base_that_was_undeployed_meanwhile_is_named(harbour):
    job_id = harbour.create().id
    harbour.engines.file = None
    harbour.start_worker()
    job = harbour.end_of(job_id)
    assert (job.status, job.error["code"], job.error["param"]) == ("failed", "model_not_deployed", "model")


@ONE_DATABASE
def test_the_next_job_is_trained_after_one_that_failed(harbour):
    harbour.start_worker()
    jobs = [harbour.create(seed=Misdeed.FAILS).id, harbour.create(seed=Misdeed.CRASHES).id, harbour.create().id]
    assert [harbour.end_of(job_id).status for job_id in jobs] == ["failed", "failed", "succeeded"]


@ONE_DATABASE
def test_an_outage_of_the_database_is_waited_out(harbour, monkeypatch):
    outages, register = [], catalog.register_adapter

    def register_with_outage(*arguments):
        if not outages:
            outages.append(1)
            raise OperationalError("INSERT", {}, Exception("the server closed the connection"))
        return register(*arguments)

    monkeypatch.setattr(catalog, "register_adapter", register_with_outage)
    harbour.start_worker()
    job = harbour.end_of(harbour.create().id)
    assert (job.status, outages) == ("succeeded", [1])
    assert steps(harbour, job.id) == list(range(1, 21))


@ONE_DATABASE
def test_a_fault_of_our_own_fails_the_job_and_no_other(harbour, monkeypatch):
    register = catalog.register_adapter

    def register_with_fault(*arguments):
        monkeypatch.setattr(catalog, "register_adapter", register)
        raise ZeroDivisionError

    monkeypatch.setattr(catalog, "register_adapter", register_with_fault)
    harbour.start_worker()
    jobs = [harbour.create().id, harbour.create().id]
    assert [harbour.end_of(job_id).status for job_id in jobs] == ["failed", "succeeded"]
    assert harbour.job(jobs[0]).error["code"] == "internal_error"


@ONE_DATABASE
def test_what_a_stage_did_is_not_done_again_when_it_is_repeated(harbour):
    harbour.start_worker()
    job = harbour.end_of(harbour.create().id)
    harbour.stop_worker()
    before = (len(harbour.events(job.id)), owed(harbour))
    tuner = harbour.make_tuner()
    for stage in tuner.stages():
        assert stage(job.id) is False
    assert (len(harbour.events(job.id)), owed(harbour)) == before
