"""A worker as a process of its own, with the fake trainer, to be killed by tests: HOME DATABASE_URL."""

import signal
import sys
import threading
from pathlib import Path

from tests.tuning.fakes import FAKE_TRAINER, FakeEngines

from argosy import tuning
from argosy.core import Settings
from argosy.runtime import Blobs, Database
from argosy.runtime.jobs import Jobs

if __name__ == "__main__":
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = Settings(home=Path(sys.argv[1]), database_url=sys.argv[2])
    database = Database(settings.database_url)
    tuner = tuning.Tuner(
        settings, database, Blobs(settings.home / "blobs"), FakeEngines(settings.home), command=FAKE_TRAINER
    )
    tuning.Worker(database, Jobs(settings), tuner, {}).run(stop)
