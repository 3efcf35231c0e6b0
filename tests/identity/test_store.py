import pytest

from argosy.core import Conflict, Invalid, NotFound
from argosy.identity import (
    KeyRing,
    bootstrap,
    create_key,
    create_project,
    default_project,
    find_project,
    list_keys,
    list_projects,
    organization_of,
    revoke_key,
)

OPERATORS_KEY = "an-operators-own-secret-0123456789"


def test_the_first_start_makes_an_administrator_key_and_shows_it_once(database):
    with database.write() as tx:
        first = bootstrap(tx)
    with database.write() as tx:
        second = bootstrap(tx)

    assert first.secret is not None
    assert first.secret.startswith("sk-argosy-")
    assert len(first.secret) == len("sk-argosy-") + 43
    assert second.secret is None
    assert (second.organization_id, second.project_id) == (first.organization_id, first.project_id)


def test_the_operators_own_key_is_let_in_and_not_shown_again(database):
    for _ in range(2):
        with database.write() as tx:
            made = bootstrap(tx, OPERATORS_KEY)
            assert made.secret is None
            assert len(list_keys(tx, made.project_id)) == 1
    assert ring(database).find(OPERATORS_KEY).may("billing")


@pytest.mark.parametrize("weak", ["short", "has spaces in it, and is long", "nicht-ascii-äöü-0123456789"])
def test_a_weak_operators_key_is_refused(database, weak):
    with database.write() as tx, pytest.raises(Invalid, match="at least 20"):
        bootstrap(tx, weak)


def test_a_revoked_operators_key_does_not_come_back_with_the_next_start(database):
    with database.write() as tx:
        project_id = bootstrap(tx, OPERATORS_KEY).project_id
        own = list_keys(tx, project_id)[0]
        create_key(tx, project_id, "another administrator", ["admin"])
        revoke_key(tx, project_id, own.id)
    with database.write() as tx, pytest.raises(Invalid, match="revoked"):
        bootstrap(tx, OPERATORS_KEY)


def test_only_the_hash_of_a_secret_is_stored(database):
    with database.write() as tx:
        _, secret = create_key(tx, default_project(tx), "app", ["inference"])
        stored = str(tx.exec_driver_sql("SELECT * FROM api_keys").all())
    assert secret not in stored
    assert secret[10:40] not in stored


@pytest.mark.parametrize("scopes", [[], ["everything"], ["inference", "root"]])
def test_a_key_has_known_scopes(database, scopes):
    with database.write() as tx, pytest.raises(Invalid, match="inference, tuning, billing, admin"):
        create_key(tx, default_project(tx), "app", scopes)


def test_the_last_administrator_key_cannot_be_revoked(database):
    with database.write() as tx:
        project_id = bootstrap(tx).project_id
        create_key(tx, project_id, "app", ["inference"])
        administrator = list_keys(tx, project_id)[0]
        with pytest.raises(Conflict, match="last administrator key"):
            revoke_key(tx, project_id, administrator.id)


def test_a_key_of_another_project_is_as_good_as_none(database):
    with database.write() as tx:
        first = default_project(tx)
        second = create_project(tx, first, "second").id
        key, _ = create_key(tx, first, "app", ["inference"])
        with pytest.raises(NotFound):
            revoke_key(tx, second, key.id)
        assert list_keys(tx, second) == []


def test_a_revoked_key_is_not_found_again(database):
    with database.write() as tx:
        project_id = default_project(tx)
        key, _ = create_key(tx, project_id, "app", ["inference"])
        revoke_key(tx, project_id, key.id)
        assert list_keys(tx, project_id) == []
        with pytest.raises(NotFound):
            revoke_key(tx, project_id, key.id)


def test_projects_belong_to_an_organization_and_have_names_of_their_own(database):
    with database.write() as tx:
        first = default_project(tx)
        made = create_project(tx, first, "  Shop \n floor ")
        assert made.name == "Shop floor"
        assert [project.id for project in list_projects(tx, made.id)] == [first, made.id]
        assert find_project(tx, first, "Shop floor") == find_project(tx, first, made.id) == made
        assert organization_of(tx, made.id).slug == "argosy"
        with pytest.raises(Conflict, match="already a project"):
            create_project(tx, first, "Shop floor")
        with pytest.raises(NotFound):
            find_project(tx, first, "proj_unknown")
        with pytest.raises(Invalid, match="1 to 200"):
            create_project(tx, first, " ")


def ring(database):
    keys = KeyRing(database)
    keys.refresh()
    return keys
