"""Routes belong to an organization, and every change is a version, on both databases."""

import threading

import pytest
from sqlalchemy import insert

from argosy.core import Conflict, NotFound
from argosy.gateway.route_spec import read_spec
from argosy.gateway.store import all_routes, find_route, list_routes, put_route, route_versions
from argosy.identity import bootstrap, create_project
from argosy.identity.tables import organizations, projects
from argosy.runtime import read_version

A, B = (read_spec({"targets": [{"model": name}]}) for name in "ab")


@pytest.fixture
def project(database):
    with database.write() as tx:
        return bootstrap(tx).project_id


def test_a_change_is_a_new_version_and_repeating_it_is_none(database, project):
    with database.write() as tx:
        before = read_version(tx)
        assert [put_route(tx, project, "chat", spec).version for spec in (A, A, B)] == [1, 1, 2]
        assert read_version(tx) == before + 2
        assert find_route(tx, project, "chat").spec == B
        put_route(tx, project, "chat", None)
        with pytest.raises(NotFound):
            find_route(tx, project, "chat")
        assert put_route(tx, project, "chat", A).version == 4
        assert [one.spec for one in route_versions(tx, project, "chat")] == [A, B, None, A]
        put_route(tx, project, "other", B)
        assert [(one.name, one.spec) for one in list_routes(tx, project)] == [("chat", A), ("other", B)]
        assert sorted(all_routes(tx).values(), key=str) == [A, B]


def test_all_projects_of_the_organization_have_it_and_nobody_else(database, project):
    with database.write() as tx:
        sister = create_project(tx, project, "sister").id
        tx.execute(insert(organizations).values(id="org-x", name="x", slug="x", created_at=1))
        tx.execute(insert(projects).values(id="proj-x", organization_id="org-x", name="x", created_at=1))
        put_route(tx, project, "chat", A)
        assert find_route(tx, sister, "chat").spec == A
        assert list_routes(tx, "proj-x") == []
        put_route(tx, "proj-x", "chat", B)
        assert find_route(tx, project, "chat").spec == A
        assert len(all_routes(tx)) == 2


def test_two_who_write_at_once_never_share_a_version(database, project):
    made, refused = [], []

    def write(number):
        spec = read_spec({"targets": [{"model": f"m{number}"}]})
        try:
            with database.write() as tx:
                made.append(put_route(tx, project, "chat", spec).version)
        except Conflict:
            refused.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == list(range(1, len(made) + 1))
    assert len(made) + len(refused) == 8
