"""Fine-tuning jobs, their events and their checkpoints."""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from argosy.runtime import metadata

jobs = Table(
    "fine_tuning_jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("project_id", String(40), nullable=False),
    Column("organization_id", String(40), nullable=False),
    Column("organization_slug", String(64), nullable=False),  # part of the new model's name, as it was when asked for
    Column("key_id", String(40)),
    Column("model", String(256), nullable=False),
    Column("status", String(20), nullable=False),
    Column("training_file", String(64), nullable=False),
    Column("validation_file", String(64)),
    Column("suffix", String(64)),
    Column("seed", BigInteger, nullable=False),
    Column("hyperparameters", JSON, nullable=False),  # as asked, then as the trainer resolved "auto"
    Column("metadata", JSON),
    Column("price_version", String(40), nullable=False),  # pinned when the job was created
    Column("training_dataset", String(40)),
    Column("validation_dataset", String(40)),
    Column("fine_tuned_model", String(256), nullable=False),  # shown only once the job has succeeded
    Column("result_file", String(64)),
    Column("trained_tokens", BigInteger),
    Column("estimated_finish", BigInteger),
    Column("error", JSON(none_as_null=True)),
    Column("progress", JSON, nullable=False),  # `argosy.tuning.progress.Progress`
    Column("event_count", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("queued_us", BigInteger),
    Column("started_us", BigInteger),
    Column("finished_us", BigInteger),
    Index("ix_fine_tuning_jobs_project_id_id", "project_id", "id"),  # listing one project's jobs, newest first
    Index("ix_fine_tuning_jobs_status", "status"),  # the worker's sweep over unfinished jobs
)

events = Table(
    "fine_tuning_events",
    metadata,
    Column("job_id", String(40), ForeignKey("fine_tuning_jobs.id"), primary_key=True),
    Column("sequence", Integer, primary_key=True),  # 1, 2, ... in each job
    Column("id", String(40), nullable=False, unique=True),
    Column("created_us", BigInteger, nullable=False),
    Column("level", String(8), nullable=False),
    Column("type", String(8), nullable=False),
    Column("message", Text, nullable=False),
    Column("data", JSON(none_as_null=True)),
)

checkpoints = Table(
    "fine_tuning_checkpoints",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("job_id", String(40), ForeignKey("fine_tuning_jobs.id"), nullable=False),
    Column("step", Integer, nullable=False),
    Column("model", String(256), nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("adapter", String(256), nullable=False),  # path in the job's work folder
    Column("blob", String(64)),  # set once training has ended
    Column("created_us", BigInteger, nullable=False),
    UniqueConstraint("job_id", "step"),
)
