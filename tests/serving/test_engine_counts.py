"""What engines say that they computed is what their clients got, and one that is gone says nothing."""

import time
from dataclasses import replace
from pathlib import Path

from argosy.billing.reconciliation import EngineCount, engine_hours, note_engine_counts
from argosy.core import now
from argosy.identity import bootstrap
from argosy.runtime import Database
from argosy.serving.engine_counts import engine_counts
from argosy.serving.engines import EngineSpec
from argosy.serving.replicas import Replica
from argosy.serving.store import ReplicaRow, add_replica, want_deployment
from argosy.serving.versions import Spec


def test_tokens_are_counted_whole_and_cut(database: Database, tmp_path: Path) -> None:
    replica = Replica("echo", EngineSpec("echo", ""), tmp_path, tmp_path / "log")
    while not replica.announced():
        assert not replica.dead, replica.failure
        time.sleep(0.005)
    with database.write() as tx:
        wanted = want_deployment(tx, bootstrap(tx).project_id, "echo", Spec("echo"))
        row = ReplicaRow("rep_1", wanted.id, 1, 1, 1, replica.url, "ready", [], 10, None, now())
        add_replica(tx, row)
        add_replica(tx, replace(row, id="rep_gone", url="http://127.0.0.1:9"))
    for limit in (10, 2):
        asked = {"messages": [{"role": "user", "content": "all hands on deck"}], "max_tokens": limit}
        replica.ask("/v1/chat/completions", asked)
    found = engine_counts(database)
    assert found == [EngineCount("rep_1", "echo", 4 + 4, 4 + 2)]
    with database.write() as tx:
        note_engine_counts(tx, found)
        note_engine_counts(tx, found)
        (hour,) = engine_hours(tx, now() - 3_600)
        assert (hour.model, hour.prompt_tokens, hour.completion_tokens) == ("echo", 8, 6)
    replica.stop()
    assert engine_counts(database) == []
