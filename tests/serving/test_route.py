"""What a route says of its replica."""

import pytest

from argosy.identity import bootstrap
from argosy.serving import ReplicaRow, Spec, routes
from argosy.serving.store import add_replica, want_deployment


@pytest.mark.parametrize(("engine", "slots"), [("llama_cpp", 16), ("echo", 0)])
def test_a_route_knows_how_many_requests_its_engine_computes_side_by_side(database, engine, slots):
    with database.write() as tx:
        made = want_deployment(tx, bootstrap(tx).project_id, "house", Spec(engine))
        replica = ReplicaRow("rep_1", made.id, made.version, 1, 1, "http://127.0.0.1:1", "ready", [], 4096, None, 0)
        add_replica(tx, replica)
        assert [(route.model, route.slots) for route in routes(tx)] == [("house", slots)]
