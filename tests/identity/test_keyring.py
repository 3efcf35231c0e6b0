import threading

from argosy.identity import KeyRing, create_key, create_project, default_project, keyring, revoke_key


def test_a_caller_is_found_by_the_secret_alone(database):
    with database.write() as tx:
        project_id = create_project(tx, default_project(tx), "shop").id
        key, secret = create_key(tx, project_id, "app", ["inference"])
    keys = KeyRing(database)
    keys.refresh()

    caller = keys.find(secret)
    assert (caller.key_id, caller.project_id, caller.organization_slug) == (key.id, project_id, "argosy")
    assert caller.may("inference")
    assert not caller.may("tuning")
    assert keys.find(secret[:-1]) is None
    assert keys.find(secret + "x") is None
    assert keys.find("\ud800") is None  # what no header can hold is unknown, not a crash


def test_an_administrator_may_do_everything(database):
    with database.write() as tx:
        _, secret = create_key(tx, default_project(tx), "boss", ["admin"])
    keys = KeyRing(database)
    keys.refresh()
    assert all(keys.find(secret).may(scope) for scope in ("inference", "tuning", "billing", "admin"))


def test_another_process_refuses_a_revoked_key_at_its_next_refresh(database):
    with database.write() as tx:
        project_id = default_project(tx)
        key, secret = create_key(tx, project_id, "app", ["inference"])
    elsewhere = KeyRing(database)
    assert elsewhere.refresh()
    assert not elsewhere.refresh()  # nothing changed, nothing was loaded
    assert elsewhere.find(secret)

    with database.write() as tx:
        revoke_key(tx, project_id, key.id)

    assert elsewhere.refresh()
    assert elsewhere.find(secret) is None


def test_a_revoked_key_is_not_let_in_again_by_whoever_looked_before(database, monkeypatch):
    """Two look at once, and the one that began earlier is slower."""
    with database.write() as tx:
        project_id = default_project(tx)
        key, secret = create_key(tx, project_id, "app", ["inference"])
    keys, read, begun, over = KeyRing(database), keyring.callers_by_hash, threading.Event(), threading.Event()

    def slow_at_first(tx):
        found, first = read(tx), not begun.is_set()
        begun.set()
        if first:
            over.wait(0.5)
        return found

    monkeypatch.setattr(keyring, "callers_by_hash", slow_at_first)
    slow = threading.Thread(target=keys.refresh)
    slow.start()
    assert begun.wait(10)
    with database.write() as tx:
        revoke_key(tx, project_id, key.id)
    keys.refresh()
    over.set()
    slow.join()
    assert keys.find(secret) is None
