"""Durable jobs: stages that DBOS runs in order; after a crash a job goes on with the stage that was cut short.

A stage is ``stage(job_id) -> bool``: True means go on, False that the job has ended. Stages run at least once, so each
must be harmless to repeat, and none may raise an Exception: what went wrong with a job is written into its row. Only
the worker imports this: DBOS takes some 25 MB.
"""

import logging
from collections.abc import Callable, Sequence

from dbos import DBOS, DBOSConfig, SetWorkflowID
from sqlalchemy import make_url

from argosy.core import Settings
from argosy.runtime.shifts import Stage

# Recovery looks only for workflows of the same version; ours may meet any version's, since stages are repeatable.
_VERSION = "1"
_ENDED = {"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"}


class Jobs:
    """The durable jobs of one worker process. At most one of these may be launched in a process at a time."""

    def __init__(self, settings: Settings) -> None:
        self._config = _configuration(settings)
        self._workflows: dict[str, Callable[[str], None]] = {}
        settings.home.mkdir(parents=True, exist_ok=True)

    def register(self, name: str, stages: Sequence[Stage]) -> None:
        """Declare a kind of job, before `launch`."""

        def run(job_id: str) -> None:
            for stage in stages:
                if not DBOS.run_step({"name": stage.__name__}, stage, job_id):
                    return

        self._workflows[name] = DBOS.workflow(name=name)(run)

    def launch(self) -> None:
        """Start the engine; jobs that an earlier process left unfinished go on within about a second."""
        logging.getLogger("dbos").setLevel(logging.WARNING)
        DBOS(config=self._config)
        DBOS.launch()

    def ensure(self, name: str, job_id: str) -> None:
        """Start the job unless it is under way. Calling it again is harmless.

        One that has ended is started afresh: whoever asks still sees work to do, so its end was not a good one.
        """
        status = DBOS.get_workflow_status(job_id)
        if status is not None:
            if status.status not in _ENDED:
                return
            DBOS.delete_workflow(job_id)
        with SetWorkflowID(job_id):
            DBOS.start_workflow(self._workflows[name], job_id)

    def stop(self) -> None:
        """Stop the engine. Stages must have been told to end before, by raising `Interrupted`."""
        DBOS.destroy(destroy_registry=True)


def _configuration(settings: Settings) -> DBOSConfig:
    """SQLite: a file beside the main one, so that the two never wait for one lock. PostgreSQL: a schema of its own."""
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        address = f"sqlite:///{settings.home / 'jobs.sqlite'}"
    else:
        address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    return {
        "name": "argosy",
        "system_database_url": address,
        "application_version": _VERSION,
        "executor_id": "worker",
        "log_level": "WARNING",
        "enable_otlp": False,
    }
