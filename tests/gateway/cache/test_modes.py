"""What projects say about the cache, on both databases."""

from argosy.gateway.cache import CacheModes, put_mode, stored_mode
from argosy.identity import bootstrap, create_project


def test_a_project_says_what_holds_for_itself(database):
    modes = CacheModes(database)
    with database.write() as tx:
        mine = bootstrap(tx).project_id
        other = create_project(tx, mine, "other").id
        assert stored_mode(tx, mine) == "off"
    assert modes.refresh() is True
    assert modes.of(mine) == "off"
    for mode in ("on", "force", "force", "off", "on"):
        with database.write() as tx:
            put_mode(tx, mine, mode)
            assert (stored_mode(tx, mine), stored_mode(tx, other)) == (mode, "off")
        assert modes.refresh() is True
        assert (modes.of(mine), modes.of(other)) == (mode, "off")
    assert modes.refresh() is False
